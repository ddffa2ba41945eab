"""Holded's Invoicing API v1 (docs/vendors.md, Holded)."""

from collections.abc import Callable, Sequence
from typing import Any

from steps.sandbox import holded_json
from steps.sandbox.exchange import (
    HTML_TYPE,
    WEB_APP_PAGE,
    Answer,
    Call,
    Json,
    Modes,
    html_answer,
    json_answer,
    whole_number,
)
from steps.sandbox.records import Contact, Document, midnight
from steps.sandbox.world import World

API_KEY = "sandbox-holded-key"
DOCUMENTS_PER_PAGE = 500
OTHER_TYPES = (
    "salesreceipt", "receiptnote", "estimate", "salesorder", "waybill", "proform", "purchase", "purchaserefund",
    "purchaseorder",
)  # fmt: skip
"""Kinds of documents that exist and that this academy has none of."""


def answer(call: Call, world: World, modes: Modes) -> Answer:
    """What Holded answers. A path it does not know gets the web application's page, with status 200."""
    if (key := call.headers.get("key")) != API_KEY:
        return error(400 if (key or "").startswith("pat_") else 401, "Invalid key")
    match [call.method, *call.path.strip("/").split("/")]:
        case ["GET", "documents", kind, *rest] if len(rest) <= 1:
            return _documents(call, kind, rest, world, modes)
        case ["GET", resource, *rest] if resource in _RESOURCES and len(rest) <= 1:
            return _RESOURCES[resource](call, rest, world, modes)
    return html_answer(200, WEB_APP_PAGE)


def error(status: int, info: str) -> Answer:
    """The body that Holded's errors usually have."""
    return json_answer({"status": 0, "info": info}, status)


def _contacts(call: Call, rest: list[str], world: World, modes: Modes) -> Answer:
    if rest:
        found = (contact for contact in world.contacts if contact.id == rest[0] and contact.found_by_id)
        return _detail([holded_json.contact(contact) for contact in found], "Contact", modes)
    listed = [contact for contact in world.contacts if contact.listed and contact.found_by_id]
    return _page(call, [c for c in listed if _contact_fits(call, c)], holded_json.contact, modes)


def _contact_fits(call: Call, contact: Contact) -> bool:
    """Only the documented filters; anything else is ignored, an email too."""
    asked = [name for name in ("phone", "mobile", "customId") if name in call.query]
    if not asked:
        return True
    row = holded_json.contact(contact)
    return all(str(row[name] or "") == call.query[name] for name in asked)


def _channels(call: Call, rest: list[str], world: World, modes: Modes) -> Answer:
    if rest:
        found = [holded_json.account(account, alone=True) for account in world.accounts if account.id == rest[0]]
        return _detail(found, "Sales channel", modes)
    return _page(call, [account for account in world.accounts if not account.archived], holded_json.account, modes)


def _services(call: Call, rest: list[str], world: World, modes: Modes) -> Answer:
    rows = holded_json.catalogue(world.accounts)
    if rest:
        return _detail([row for row in rows if row["id"] == rest[0]], "Service", modes)
    return _page(call, rows, dict, modes)


_RESOURCES: dict[str, Callable[[Call, list[str], World, Modes], Answer]] = {
    "contacts": _contacts,
    "saleschannels": _channels,
    "services": _services,
}


def _documents(call: Call, kind: str, rest: list[str], world: World, modes: Modes) -> Answer:
    known = {"invoice": world.invoices, "creditnote": world.credit_notes}
    if kind not in known and kind not in OTHER_TYPES:
        return error(400, "Invalid document type")
    documents = known.get(kind, [])
    if rest:
        return _detail([holded_json.document(d) for d in documents if d.id == rest[0]], "Document", modes)
    chosen = _sorted(call, list(filter(_document_filter(call), documents)))
    size = min(max(whole_number(call.query.get("limit"), DOCUMENTS_PER_PAGE), 1), modes.holded_documents_per_page)
    return json_answer([holded_json.document(document) for document in _slice(call, chosen, size)])


def _sorted(call: Call, documents: list[Document]) -> list[Document]:
    """By creation; the newest first unless `created-asc` is asked for."""
    ascending = call.query.get("sort") == "created-asc"
    return sorted(documents, key=lambda document: (document.sequence, document.id), reverse=not ascending)


def _document_filter(call: Call) -> Callable[[Document], bool]:
    """The documented filters.

    The dates are those of the academy's records, even where a spoiled one is served: so the window still brings it.
    """
    query = call.query
    start, end = whole_number(query.get("starttmp"), 0), whole_number(query.get("endtmp"), 0)
    dated, half_open = "starttmp" in query, ("starttmp" in query) != ("endtmp" in query)
    contact, paid = query.get("contactid"), query.get("paid")

    def fits(document: Document) -> bool:
        if half_open or (dated and not start <= midnight(document.date) <= end):
            return False
        if contact is not None and document.contact_id != contact:
            return False
        return paid is None or paid == holded_json.paid_state(document)

    return fits


def _page(call: Call, rows: Sequence[Any], shape: Callable[[Any], Json], modes: Modes) -> Answer:
    size = modes.holded_page_size
    chosen = rows if size == "page ignored" else _slice(call, rows, size)
    return json_answer([shape(row) for row in chosen])


def _slice(call: Call, rows: Sequence[Any], size: int) -> Sequence[Any]:
    start = (max(whole_number(call.query.get("page"), 1), 1) - 1) * size
    return rows[start : start + size]


def _detail(found: list[Json], what: str, modes: Modes) -> Answer:
    """One object, labelled as HTML though it is JSON, as live answers are at times."""
    if not found:
        return error(modes.holded_unknown_status, f"{what} not found")
    return json_answer(found[0], content_type=HTML_TYPE)
