"""Documents that the ledger knows and a list lacks: asked for by id, before anybody believes that they are gone.

A list can lack what exists: an empty answer, a row that moved to a page already read because another one was deleted
(vendors/holded.md, Pagination).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from steps.connectors.holded import DocumentPages
from steps.connectors.holded_payloads import Document
from steps.domain.invoice import DocumentKind
from steps.domain.months import MonthWindow
from steps.domain.vanished import are_most_gone
from steps.errors import RecordRejectedError, VendorAuthError, VendorError
from steps.progress import conclude

KnownDocuments = Callable[[DocumentKind, MonthWindow], Mapping[str, date]]
"""The documents of a range that the ledger has and counts: id -> day."""

FEW = 20
"""So many are asked for by id even when they are most of what is known."""
MOST_ASKED_FOR = 100
"""So many are asked for by id at the most, a range and kind: the rest of a longer list is nobody's oversight."""


@dataclass(frozen=True)
class ConfirmedDocuments:
    """One kind of document over a range, and what became of the known ones that its list lacks."""

    pages: DocumentPages
    """The list, with the documents that it lacks although the vendor has them by id, or does not say that it has not:
    those are rejected ones."""
    gone: frozenset[str] = frozenset()
    """The vendor says that it has no document of this id."""
    not_asked: frozenset[str] = frozenset()
    """Too many to ask for."""


@dataclass(frozen=True)
class DocumentSource:
    """Where one kind of document is read from."""

    kind: DocumentKind
    list_again: Callable[[], DocumentPages]
    by_id: Callable[[str], Document | None]


def confirm_missing(pages: DocumentPages, known: Mapping[str, date], source: DocumentSource) -> ConfirmedDocuments:
    """Ask by id for the known documents that a list lacks; where one exists, read the list again.

    What even the second list lacks and exists by id counts as listed, as it is by id.

    Args:
        pages: the list, read to its end.
        known: the documents of the same range that the ledger counts.
        source: where to ask.

    Raises:
        VendorError: the credential was refused, or the list could not be read again.
    """
    missing = sorted(known.keys() - pages.ids)
    if not missing:
        return ConfirmedDocuments(pages)
    if len(missing) > (FEW if are_most_gone(known=known, gone=missing) else MOST_ASKED_FOR):
        return ConfirmedDocuments(pages, not_asked=frozenset(missing))
    answers = _ask_for(missing, source)
    if answers.exist:
        noun = f"{source.kind.value.replace('_', ' ')}s"
        conclude(f"holded: the list of {noun} lacks {len(answers.exist)} that exist by id: it was read again")
        pages = source.list_again().supplemented(pages)
    lacking = [each for each in missing if each not in pages.ids]
    pages = pages.with_unlisted(
        [answers.found[each] for each in lacking if each in answers.found],
        [answers.rejected[each] for each in lacking if each in answers.rejected],
        known,
    )
    return ConfirmedDocuments(pages, frozenset(lacking) - pages.ids)


@dataclass
class _Answers:
    """What the vendor says of single documents; those in neither dictionary it does not have."""

    found: dict[str, Document] = field(default_factory=dict)
    rejected: dict[str, RecordRejectedError] = field(default_factory=dict)
    """It exists and cannot be read, or the answer says nothing."""
    exist: set[str] = field(default_factory=set)


def _ask_for(missing: Iterable[str], source: DocumentSource) -> _Answers:
    answers = _Answers()
    for document_id in missing:
        try:
            document = source.by_id(document_id)
        except RecordRejectedError as error:
            answers.rejected[document_id] = error
            answers.exist.add(document_id)
        except VendorAuthError:
            raise
        except VendorError as error:
            answers.rejected[document_id] = _unanswered(source.kind, document_id, error)
        else:
            if document is not None:
                answers.found[document_id] = document
                answers.exist.add(document_id)
    return answers


def _unanswered(kind: DocumentKind, document_id: str, error: VendorError) -> RecordRejectedError:
    return RecordRejectedError(
        kind.value,
        document_id,
        f"{kind.value} {document_id} is not on Holded's list, and by its id the answer cannot be used ({error}):"
        " kept as it was",
    )
