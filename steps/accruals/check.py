"""What makes a contract impossible to process: better reported than accrued wrongly (accruals.md, promise 6)."""

from collections.abc import Iterator
from datetime import date

from steps.accruals.facts import ContractFacts, DocumentFacts
from steps.accruals.outcome import ContractFailureError
from steps.domain.money import LARGEST, to_cents

_WEEK = frozenset(range(7))


def refuse_bad_data(facts: ContractFacts, last: date) -> None:
    """Let a contract pass that can be processed for the month whose last day is `last`.

    Documents after `last` are not looked at: they do not exist yet, so a replay fails where a live run failed.

    Raises:
        ContractFailureError: with every reason in one line.
    """
    if reasons := "; ".join(_reasons(facts, last)):
        raise ContractFailureError(facts.id, reasons)


def _reasons(facts: ContractFacts, last: date) -> Iterator[str]:
    for document in facts.documents:
        if document.day <= last:
            yield from _document_reasons(document, facts.currency)
    for period in facts.periods:
        if period.end < period.start:
            yield f"period {period.external_id} ends on {period.end}, before it starts on {period.start}"
    if not (facts.service.class_weekdays or _WEEK) <= _WEEK:
        yield "the service's class weekdays are not all between 0 (Monday) and 6"


def _document_reasons(document: DocumentFacts, currency: str) -> Iterator[str]:
    if document.currency != currency:
        yield f"the document of {document.day} is in {document.currency}, the contract in {currency}"
    if not document.amount.is_finite() or abs(document.amount) > LARGEST:
        yield f"the document of {document.day} has no usable amount: {document.amount}"
    elif document.amount != to_cents(document.amount):
        yield f"the document of {document.day} is not in whole cents: {document.amount}"
