"""The requests that a run makes, and which steps need their answers."""

import re
from dataclasses import dataclass
from typing import Literal

from steps.catalog import CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, Step
from steps.sandbox.exchange import Call, Vendor
from tests.faults.academy import DELETED_ACCOUNT, DELETED_CONTACT, GONE, GONE_CREDIT_NOTE, MOVED

Kind = Literal["list", "later page", "record", "login", "work"]


@dataclass(frozen=True)
class Endpoint:
    """Requests that go wrong together."""

    name: str
    vendor: Vendor
    kind: Kind
    path: str
    """A regular expression of the whole path."""
    steps: frozenset[Step]
    """That need the answer."""
    records: str = ""
    """The list of the sandbox's world that it shows."""
    exists: bool = False
    """The record does, though the list lacks it: 404, and 400 as some report, are no fault then but the vendor's word
    that it has none. A document is void from then on, until its own month is imported; an account is no service, and
    asked for again by the next import of a document that names it."""
    several_sources: bool = False
    """Notion answers by it only where the database has several data sources."""

    @property
    def column(self) -> str:
        """Of the table."""
        vendor = {"holded": "Holded", "fourgeeks": "4Geeks", "notion": "Notion", "backend": "backend"}[self.vendor]
        what = {"list": "lists", "later page": "lists, from page 2", "record": "by id", "login": "login", "work": ""}
        return f"{vendor} {what[self.kind]}".strip()

    def is_asked(self, call: Call) -> bool:
        """Whether a request to the path is one of these."""
        return self.kind != "later page" or not _asks_for_first_page(call)


def _asks_for_first_page(call: Call) -> bool:
    body = call.body
    started = isinstance(body, dict) and "start_cursor" in body
    return call.query.get("page", "1") == "1" and call.query.get("offset", "0") == "0" and not started


def _paged(name: str, vendor: Vendor, path: str, steps: frozenset[Step], records: str) -> tuple[Endpoint, Endpoint]:
    first = Endpoint(name, vendor, "list", path, steps, records)
    return first, Endpoint(f"{name}, from page 2", vendor, "later page", path, steps, records)


_INVOICES, _CRM = frozenset({INVOICES}), frozenset({CRM_CLIENTS})
_PERIODS, _NOTION = frozenset({SERVICE_PERIODS}), frozenset({NOTION_EXTERNAL_ID})
INVOICE = Endpoint("invoice by id, moved", "holded", "record", f"/documents/invoice/{MOVED}$", _INVOICES, exists=True)
INVOICES_LIST, _INVOICES_LATER = _paged("invoices", "holded", "/documents/invoice$", _INVOICES, "invoices")
ENDPOINTS = (
    Endpoint("accounts", "holded", "list", "/saleschannels$", frozenset({SERVICES, INVOICES}), "accounts"),
    Endpoint("account by id", "holded", "record", f"/saleschannels/{DELETED_ACCOUNT}$", _INVOICES, exists=True),
    *_paged("contacts", "holded", "/contacts$", _INVOICES, "contacts"),
    Endpoint("contact by id", "holded", "record", f"/contacts/{DELETED_CONTACT}$", _INVOICES),
    INVOICES_LIST,
    _INVOICES_LATER,
    INVOICE,
    Endpoint("invoice by id, deleted", "holded", "record", f"/documents/invoice/{GONE}$", _INVOICES),
    Endpoint("credit notes", "holded", "list", "/documents/creditnote$", _INVOICES, "credit_notes"),
    Endpoint("credit note by id", "holded", "record", f"/documents/creditnote/{GONE_CREDIT_NOTE}$", _INVOICES),
    Endpoint("login", "fourgeeks", "login", "/auth/login/$", frozenset({CRM_CLIENTS, SERVICE_PERIODS})),
    *_paged("students", "fourgeeks", "/auth/academy/student$", _CRM, "students"),
    *_paged("enrollments", "fourgeeks", "/admissions/academy/cohort/user$", _PERIODS, "enrollments"),
    *_paged("pages", "notion", "/databases/[^/]+/query$", _NOTION, "pages"),
    Endpoint("data source", "notion", "list", "/data_sources/[^/]+/query$", _NOTION, "pages", several_sources=True),
    Endpoint("backend", "backend", "work", f"{re.escape(INVOICES.endpoint)}$", _INVOICES),
)
