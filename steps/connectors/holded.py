"""Holded, Invoicing API v1 (vendors/holded.md)."""

from collections.abc import Callable, Generator, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx

from steps.connectors.answers import Answer, reason_of
from steps.connectors.connector import Connector
from steps.connectors.credentials import address, credential
from steps.connectors.holded_documents import DocumentPages
from steps.connectors.holded_payloads import (
    DOC_TYPES,
    Contact,
    Document,
    IncomeAccount,
    parse_contact,
    parse_document,
    parse_income_account,
)
from steps.connectors.http import USUAL, Ask, HttpRules, Site, VendorHttp
from steps.connectors.json_value import Json
from steps.connectors.listing import Listing
from steps.connectors.rows import Rows, id_of, parse_row
from steps.domain.invoice import DocumentKind
from steps.domain.months import MonthWindow
from steps.errors import (
    VendorAuthError,
    VendorError,
    VendorPayloadError,
    VendorRejectedError,
)
from steps.progress import say
from steps.settings import HoldedSettings, SyncSettings

__all__ = ["Contact", "Document", "DocumentPages", "HoldedConnector", "IncomeAccount", "open_holded"]

VENDOR = "holded"
PAGE_SIZE = 500
"""Documents asked for per answer. A server may cap pages at fewer, so only an empty page is the end
(vendors/holded.md, Pagination)."""
_CHECK_KEY = "check HOLDED_API_KEY"
_ADVICE = {
    400: "check the request and HOLDED_BASE_URL",
    401: _CHECK_KEY,
    402: "the Holded subscription seems unpaid: settle it, then run again",
    403: _CHECK_KEY,
    404: "check HOLDED_BASE_URL",
}

One = TypeVar("One")


class _KeyAuth(httpx.Auth):
    """Header `key`, not `Authorization`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["key"] = self._key
        yield request


class HoldedConnector(Connector):
    """Reads income accounts, contacts and documents. Use it in a `with`, or close it."""

    def __init__(
        self,
        settings: HoldedSettings,
        zone: ZoneInfo | None = None,
        rules: HttpRules = USUAL,
    ) -> None:
        """Args: `zone` is where the vendor's midnights are; `SYNC_TIMEZONE` by default.

        Raises:
            ConfigError: `HOLDED_API_KEY` is not set.
        """
        key = credential("HOLDED_API_KEY", settings.api_key, "Holded")
        base_url = address("HOLDED_BASE_URL", settings.base_url)
        self._zone = zone or SyncSettings.load().zone
        site = Site(VENDOR, base_url, settings.rate, _ADVICE, rules=rules, explain=_explain)
        super().__init__(VendorHttp(site, _KeyAuth(key)))

    def income_accounts(self) -> Listing[IncomeAccount]:
        """Every sales channel that is not deleted."""
        return self._unpaged("service", "/saleschannels", "income accounts").parse(parse_income_account)

    def income_account(self, account_id: str) -> IncomeAccount | None:
        """One sales channel, also a deleted one, to which documents may still point; None when unknown."""
        return self._one("service", "/saleschannels", account_id, parse_income_account)

    def contacts(self) -> Listing[Contact]:
        """Every contact that is not deleted."""
        return self._unpaged("contact", "/contacts", "contacts").parse(parse_contact)

    def contact(self, contact_id: str) -> Contact | None:
        """One contact, also one that is missing from the list; None when unknown (404, and 400 as some report)."""
        return self._one("contact", "/contacts", contact_id, parse_contact)

    def documents(self, kind: DocumentKind, window: MonthWindow) -> Listing[Document]:
        """The documents dated in the window, by local day, and the ones whose fields cannot be read."""
        return self.read_documents(kind, window).of(window, window)

    def read_documents(self, kind: DocumentKind, window: MonthWindow) -> DocumentPages:
        """One document type over a range of months, in one wide read.

        Both ends are sent, for with only one the answer is a silent empty list; local 00:00:00 of the first and
        23:59:59 of the last day are right whether the end is inclusive or not (vendors/holded.md, Time).
        """
        query: dict[str, str | int] = {
            "starttmp": _timestamp(datetime.combine(window.start, time.min, self._zone)),
            "endtmp": _timestamp(datetime.combine(window.end - timedelta(days=1), time(23, 59, 59), self._zone)),
            "sort": "created-asc",
            "limit": PAGE_SIZE,
        }
        rows = Rows(kind.value)
        path = f"/documents/{DOC_TYPES[kind]}"
        for page in self._pages(path, query):
            new = rows.add(page)
            say(f"{VENDOR}: {len(rows)} {kind.value.replace('_', ' ')}s read ({window})")
            if not new:
                _require_whole(f"GET {path}", page, rows)
                break
        return DocumentPages.of_rows(rows, kind, self._zone)

    def document(self, kind: DocumentKind, document_id: str) -> Document | None:
        """One document that a list lacks; None when the vendor has none with this id (404, 400)."""
        parse = partial(parse_document, kind, self._zone)
        return self._one(kind.value, f"/documents/{DOC_TYPES[kind]}", document_id, parse)

    def _unpaged(self, entity_type: str, path: str, noun: str) -> Rows:
        """A list whose page size nobody knows: ask on until a page is empty or brings nothing new."""
        rows = Rows(entity_type)
        for page in self._pages(path, {}):
            if not rows.add(page):
                break
            say(f"{VENDOR}: {len(rows)} {noun} read")
        return rows

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
        """One record by id; None when the vendor has none.

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
            raise _soft_failure(request, answer, "another record than asked for")
        return parse_row(entity_type, answer, parse)


def open_holded(settings: HoldedSettings | None = None, rules: HttpRules = USUAL) -> HoldedConnector:
    """The connector of the environment's settings, to be used in a `with`.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    return HoldedConnector(settings or HoldedSettings.load(), rules=rules)


def _require_whole(request: str, page: list[Any], rows: Rows) -> None:
    """Judge the last page of a document list, which brought nothing new: is it the end?

    An empty page is. So is one that repeats a short list whole, from a server that ignores `page`. A full page, or one
    after others, must not repeat: whatever comes after it would be lost.

    Raises:
        VendorPayloadError: the page repeats, and the list may go on after it.
    """
    if page and (len(page) >= PAGE_SIZE or len(page) < len(rows)):
        raise VendorPayloadError(VENDOR, request, f"a page repeats: the list is not whole ({len(rows)} rows were read)")


def _timestamp(moment: datetime) -> int:
    return int(moment.timestamp())


def _explain(answer: Answer) -> VendorError | None:
    """A wrong key is a 400 when it is a token of API v2 (vendors/holded.md, Errors)."""
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
