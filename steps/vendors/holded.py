"""Holded: income accounts, contacts, invoices and credit notes (docs/vendors.md, Holded)."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from steps.errors import (
    RecordRejectedError,
    RecordRepairedError,
    VendorAuthError,
    VendorError,
    VendorPayloadError,
    VendorRejectedError,
)
from steps.ledger.client import ContactCard, normalize_email
from steps.ledger.contract import DocumentKind
from steps.ledger.months import MonthWindow
from steps.settings import HoldedSettings, SyncSettings
from steps.vendors.http import USUAL, Ask, Connector, HttpRules, Site, VendorHttp, address, credential
from steps.vendors.parsing import (
    REPLACEMENT,
    UNSTORABLE,
    Answer,
    FieldError,
    Json,
    Listing,
    RepairedRecord,
    Rows,
    amount,
    child,
    children,
    code,
    id_of,
    identifier,
    is_empty,
    name_of,
    pack,
    parse_row,
    plain,
    reason_of,
    reference,
    text,
    unix_day,
)

DOC_TYPES = {DocumentKind.INVOICE: "invoice", DocumentKind.CREDIT_NOTE: "creditnote"}
"""Credit notes are a document type of their own: `documents/invoice` never contains them."""
_CURRENCY_LENGTH = 3
_LONGEST_ACCOUNT_NUMBER = 40
Field = TypeVar("Field")


@dataclass(frozen=True)
class IncomeAccount:
    """A sales channel: the account a document's line is booked to."""

    id: str
    account_number: str | None
    """An integer in the answers, text here: nobody calculates with it."""
    name: str
    description: str
    archived: bool
    """Deleted ones drop out of the list and still answer by id."""
    unreadable: str = ""
    """What is wrong with its texts, of one that was asked for by id; in a list a rejected record says it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One invoice or credit note with its lines."""

    id: str
    kind: DocumentKind
    contact_id: str | None
    contact_name: str
    number: str | None
    """Not unique, missing on drafts: `id` is the key."""
    day: date
    due_day: date | None
    total: Decimal
    """As sent: use `total_amount`, which has the sign."""
    tax: Decimal
    currency: str
    status: str
    line_accounts: tuple[str, ...]
    """Ids of income accounts in the order of the lines; lines without one are left out."""
    source_invoice_id: str | None
    """For a credit note: the invoice it was made from."""
    raw: str
    """The whole record, packed."""
    unreadable: str = ""
    """What is wrong with fields that decide about no money, and are taken for empty; of one that was asked for by id
    also what is wrong with any text."""

    @property
    def total_amount(self) -> Decimal:
        """With tax. A credit note is negative whatever its sign upstream; an invoice keeps its sign."""
        return -abs(self.total) if self.kind is DocumentKind.CREDIT_NOTE else self.total

    @property
    def net_amount(self) -> Decimal:
        """Total less tax; a credit note's amounts may come with either sign, so both are taken by size."""
        if self.kind is DocumentKind.CREDIT_NOTE:
            return abs(self.tax) - abs(self.total)
        return self.total - self.tax


def parse_income_account(row: dict[str, Any]) -> IncomeAccount:
    """`accountNum` in live answers, `accNum` in the documentation.

    Raises:
        FieldError: a field cannot be read, or there is nothing by which it could be told whether it is a service.
    """
    if row.keys().isdisjoint({"accountNum", "accNum", "name"}):
        raise FieldError("name and accountNum are missing")
    account_id, number = identifier(row), code(row, "accountNum") or code(row, "accNum")
    # It decides whether an account is a service, so that a damaged one must not pass for another.
    if number and (
        len(number) > _LONGEST_ACCOUNT_NUMBER or REPLACEMENT in number or not any(map(str.isdecimal, number))
    ):
        raise FieldError(f"accountNum {number[:20]!r} is no account number")
    return IncomeAccount(
        id=account_id,
        account_number=number or None,
        name=name_of(row, "name"),
        description=text(row, "desc"),
        archived=not is_empty(row.get("archived")) and row["archived"] not in (False, "0"),
    )


def parse_contact(row: dict[str, Any], *, listed: bool = True) -> ContactCard:
    """Empty objects may be 0 or [], texts may be 0 (PHP).

    A name that cannot be read is none. Of a contact that is not listed it is U+FFFD: nobody would ask for it again.
    """
    email, faults = normalize_email(text(row, "email")), list[str]()
    name = _lenient(faults, partial(name_of, row, "name"))
    unreadable = "".join(f"{fault}: taken without a name" for fault in faults)
    if name is None:
        name = "" if listed else REPLACEMENT
    needed = not email or unreadable or isinstance(row, RepairedRecord)
    return ContactCard(identifier(row), name, email, listed, plain(row) if needed else None, unreadable)


def _lenient(faults: list[str], read: Callable[[], Field]) -> Field | None:
    """A field that decides about no money: None if it cannot be read, and then what is wrong is added to `faults`."""
    try:
        return read()
    except FieldError as error:
        faults.append(str(error))
        return None


def parse_document(kind: DocumentKind, zone: ZoneInfo, row: dict[str, Any]) -> Document:
    """One row of a document list: it carries the full document with its lines.

    Raises:
        FieldError: a field that is needed is missing or unreadable.
    """
    faults: list[str] = []
    return Document(
        id=identifier(row),
        kind=kind,
        contact_id=reference(row, "contact") or None,
        contact_name=_lenient(faults, partial(name_of, row, "contactName", text)) or "",
        number=_lenient(faults, partial(code, row, "docNumber")) or None,
        day=unix_day(row, "date", zone),
        due_day=None if is_empty(row.get("dueDate")) else _lenient(faults, partial(unix_day, row, "dueDate", zone)),
        total=amount(row, "total"),
        tax=amount(row, "tax", optional=True),
        currency=_currency(row),
        # Raw, 0 included: the meaning of the numbers is disputed (docs/vendors.md, Holded documents).
        status="0" if row.get("status") == 0 and row.get("status") is not False else code(row, "status"),
        line_accounts=tuple(account for line in children(row, "products") if (account := reference(line, "account"))),
        source_invoice_id=(reference(source) or None)
        if text(source := child(row, "from"), "docType") == "invoice"
        else None,
        raw=pack(row),
        unreadable="; ".join(faults),
    )


def _parse_listed(kind: DocumentKind, zone: ZoneInfo, span: MonthWindow, row: dict[str, Any]) -> Document:
    document = parse_document(kind, zone, row)
    if not _is_near(document.day, span):
        raise FieldError(f"date {document.day} is none of those that were asked for ({span})")
    return document


def _is_near(day: date, span: MonthWindow) -> bool:
    return span.start - timedelta(days=1) <= day <= span.end


def _currency(row: dict[str, Any]) -> str:
    currency = text(row, "currency").upper() or "EUR"
    if len(currency) != _CURRENCY_LENGTH or not (currency.isascii() and currency.isalpha()):
        raise FieldError(f"currency {row['currency']!r} is no currency code")
    return currency


@dataclass(frozen=True)
class DocumentPages:
    """A document list read to its end: what it held, whatever the window asked for."""

    listing: Listing[Document]
    ids: frozenset[str]
    """Of every row, rejected and out-of-window ones included."""
    rejected_days: dict[RecordRejectedError, date]
    """The day of each rejected document whose date can be read, and is one of those that were asked for."""
    placed: Mapping[str, date] = field(default_factory=dict)
    """By id: the day of whose window a document counts, where that is not its own."""

    @classmethod
    def of_rows(cls, rows: Rows[Document], zone: ZoneInfo, span: MonthWindow) -> "DocumentPages":
        """The documents of a list's rows, which was asked for by the days of `span`.

        A date outside of it is one that cannot be: no window would have the document, and nobody be told. A day more is
        left to a vendor whose midnights are another zone's.
        """
        listing = rows.listing()
        for each in listing.records:
            if each.unreadable:
                message = f"{each.kind.value} {each.id}: {each.unreadable}: taken without it"
                listing.rejected.append(RecordRepairedError(each.kind.value, each.id, message, json.loads(each.raw)))
        days: dict[RecordRejectedError, date] = {}
        for error in listing.rejected:
            row = error.record if isinstance(error.record, dict) else {}
            with suppress(FieldError):
                days[error] = unix_day(row.get("kept", row), "date", zone)
                if not _is_near(days[error], span):
                    del days[error]
        return cls(listing, rows.ids(), days)

    def supplemented(self, earlier: "DocumentPages") -> "DocumentPages":
        """This list, and what an earlier read of it had besides: paging can miss a row each time."""
        records = [each for each in earlier.listing.records if each.id not in self.ids]
        rejected = [each for each in earlier.listing.rejected if each.external_id and each.external_id not in self.ids]
        listing = Listing([*self.listing.records, *records], [*self.listing.rejected, *rejected])
        days = {**earlier.rejected_days, **self.rejected_days}
        return DocumentPages(listing, self.ids | earlier.ids, days, {**earlier.placed, **self.placed})

    def with_unlisted(
        self, found: Iterable[Document], rejected: Iterable[RecordRejectedError], known: Mapping[str, date]
    ) -> "DocumentPages":
        """This list with documents that it lacks though the vendor has them.

        Args:
            found: as they are by id, without a fault.
            rejected: those that exist, as far as can be told, and cannot be read.
            known: by id: the day that the ledger has; they count in that day's window, for no other one expects them.
        """
        found = list(found)
        rejected = list(rejected)
        listing = Listing([*self.listing.records, *found], [*self.listing.rejected, *rejected])
        ids = {*(each.id for each in found), *(each.external_id for each in rejected)}
        days = self.rejected_days | {each: known[each.external_id] for each in rejected}
        return DocumentPages(listing, self.ids | ids, days, {**self.placed, **{each: known[each] for each in ids}})

    def of(self, window: MonthWindow, span: MonthWindow) -> Listing[Document]:
        """What belongs to one window of the span that was read.

        A rejected document without such a day must be told once: by the window in which the span begins.
        """

        def belongs(error: RecordRejectedError) -> bool:
            day = self.rejected_days.get(error)
            return window.start == span.start if day is None else day in window

        records = [each for each in self.listing.records if self.placed.get(each.id, each.day) in window]
        return Listing(records, [error for error in self.listing.rejected if belongs(error)])


__all__ = ["Document", "DocumentPages", "HoldedConnector", "IncomeAccount", "open_holded"]

VENDOR = "holded"
PAGE_SIZE = 500
"""Documents asked for per answer. A server may cap pages at fewer, so only an empty page is the end
(docs/vendors.md, Holded pages)."""
_CHECK_KEY = "check HOLDED_API_KEY"
_ADVICE = {
    400: "check the request and HOLDED_BASE_URL",
    401: _CHECK_KEY,
    402: "the Holded subscription seems unpaid: settle it, then run again",
    403: _CHECK_KEY,
    404: "check HOLDED_BASE_URL",
}

One = TypeVar("One", IncomeAccount, ContactCard, Document)


class HoldedConnector(Connector):
    """Reads income accounts, contacts and documents. Use it in a `with`, or close it."""

    def __init__(self, settings: HoldedSettings, rules: HttpRules = USUAL) -> None:
        """The vendor's midnights are those of `SYNC_TIMEZONE`.

        Raises:
            ConfigError: `HOLDED_API_KEY` is not set.
        """
        key = credential("HOLDED_API_KEY", settings.api_key, "Holded")
        base_url = address("HOLDED_BASE_URL", settings.base_url)
        self._zone = SyncSettings.load().zone
        site = Site(VENDOR, base_url, settings.rate, _ADVICE, rules=rules, explain=_explain)
        super().__init__(VendorHttp(site, headers={"key": key}))  # not `Authorization`

    def check(self) -> None:
        """Ask for one page, to see whether the vendor answers and takes the credential."""
        next(self._pages("/saleschannels", {}))

    def income_accounts(self) -> Listing[IncomeAccount]:
        """Every sales channel that is not deleted."""
        return self._unpaged("/saleschannels", "income accounts", Rows("service", parse_income_account))

    def income_account(self, account_id: str) -> IncomeAccount | None:
        """One sales channel, also a deleted one, to which documents may still point; None when unknown."""
        return self._one("service", "/saleschannels", account_id, parse_income_account)

    def contacts(self) -> Listing[ContactCard]:
        """Every contact that is not deleted."""
        return self._unpaged("/contacts", "contacts", Rows("contact", parse_contact, show=lambda card: card.as_read))

    def contact(self, contact_id: str) -> ContactCard | None:
        """One contact, also one that is missing from the list; None when unknown (404, and 400 as some report)."""
        return self._one("contact", "/contacts", contact_id, partial(parse_contact, listed=False))

    def documents(self, kind: DocumentKind, window: MonthWindow) -> Listing[Document]:
        """The documents dated in the window, by local day, and the ones whose fields cannot be read."""
        return self.read_documents(kind, window).of(window, window)

    def read_documents(self, kind: DocumentKind, window: MonthWindow) -> DocumentPages:
        """One document type over a range of months, in one wide read.

        Both ends are sent, for with only one the answer is a silent empty list; local 00:00:00 of the first and
        23:59:59 of the last day are right whether the end is inclusive or not (docs/vendors.md, Holded time).

        Raises:
            VendorPayloadError: a page repeats, and the list may go on after it.
        """
        last = window.end - timedelta(days=1)
        query: dict[str, str | int] = {
            "starttmp": int(datetime.combine(window.start, time.min, self._zone).timestamp()),
            "endtmp": int(datetime.combine(last, time(23, 59, 59), self._zone).timestamp()),
            "sort": "created-asc",
            "limit": PAGE_SIZE,
        }
        parse = partial(_parse_listed, kind, self._zone, window)
        rows = Rows(kind.value, parse, show=lambda document: json.loads(document.raw))
        path = f"/documents/{DOC_TYPES[kind]}"
        for page in self._pages(path, query):
            new = rows.add(page)
            self._progress.update(f"{VENDOR}: {len(rows)} {kind.value.replace('_', ' ')}s read ({window})")
            if new:
                continue
            # An empty page is the end. So is one that repeats a short list whole, from a server that ignores `page`. A
            # full page, or one after others, must not repeat: whatever comes after it would be lost.
            if page and (len(page) >= PAGE_SIZE or len(page) < len(rows)):
                verdict = f"a page repeats: the list is not whole ({len(rows)} rows were read)"
                raise VendorPayloadError(VENDOR, f"GET {path}", verdict)
            break
        return DocumentPages.of_rows(rows, self._zone, window)

    def document(self, kind: DocumentKind, document_id: str) -> Document | None:
        """One document that a list lacks; None when the vendor has none with this id (404, 400)."""
        parse = partial(parse_document, kind, self._zone)
        return self._one(kind.value, f"/documents/{DOC_TYPES[kind]}", document_id, parse)

    def _unpaged(self, path: str, noun: str, rows: Rows[One]) -> Listing[One]:
        """A list whose page size nobody knows: ask on until a page is empty or brings nothing new."""
        for page in self._pages(path, {}):
            if not rows.add(page):
                break
            self._progress.update(f"{VENDOR}: {len(rows)} {noun} read")
        return rows.listing()

    def _pages(self, path: str, query: dict[str, str | int]) -> Iterator[list[Any]]:
        number = 1
        while True:
            request = Ask("GET", path, {**query, "page": number})
            answer = self._http.ask(request)
            if not isinstance(answer, list):
                raise _soft_failure(request, answer, "a list was expected")
            yield answer
            number += 1

    def _one(self, entity_type: str, path: str, external_id: str, parse: Callable[[dict[str, Any]], One]) -> One | None:
        """One record by id; None when the vendor has none. What is wrong with its texts is in `unreadable`.

        Raises:
            VendorError: the answer says neither.
            RecordRejectedError: the vendor has it, and its fields cannot be read.
        """
        if not external_id.strip():
            return None  # the path without an id is the list
        request = Ask("GET", f"{path}/{quote(external_id.strip(), safe='')}")
        try:
            answer = self._http.ask(request)
        except VendorAuthError:
            raise
        except VendorRejectedError as error:
            if error.status in (400, 404):
                return None
            raise
        if id_of(answer) != external_id.strip():
            if isinstance(answer, dict) and not answer.get("info"):
                message = f"{entity_type} {external_id}: {request} answers with another record"
                raise RecordRejectedError(entity_type, external_id, message, plain(answer) or {"record": {}})
            raise _soft_failure(request, answer, "another record than asked for")
        found = parse_row(entity_type, answer, parse)
        if not isinstance(answer, RepairedRecord):
            return found
        faults = filter(None, (f"it holds {UNSTORABLE}, U+FFFD here", found.unreadable))
        return replace(found, unreadable="; ".join(faults))


def open_holded(rules: HttpRules = USUAL) -> HoldedConnector:
    """The connector of the environment's settings, to be used in a `with`.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    return HoldedConnector(HoldedSettings.load(), rules=rules)


def _explain(answer: Answer) -> VendorError | None:
    """A wrong key is a 400 when it is a token of API v2 (docs/vendors.md, Holded errors)."""
    reason = answer.reason()
    if "invalid key" in reason.lower():
        return VendorAuthError(
            VENDOR, answer.request, f"{answer.status} ({reason}); {_CHECK_KEY}", status=answer.status
        )
    return None


def _soft_failure(request: Ask, answer: Json, expected: str) -> VendorError:
    """A 200 with `{"status": 0, "info": ...}`, or another shape than the sheet's."""
    reason = reason_of(answer)[:200] if isinstance(answer, dict) and answer.get("info") else type(answer).__name__
    if "invalid key" in reason.lower():
        return VendorAuthError(VENDOR, str(request), f"200 ({reason}); {_CHECK_KEY}", status=200)
    return VendorPayloadError(VENDOR, str(request), f"{expected}, the answer is: {reason}", status=200)
