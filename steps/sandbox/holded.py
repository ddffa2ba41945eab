"""Holded's Invoicing API v1 (docs/vendors.md, Holded): its answers, and its JSON of the books with PHP's typing."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

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
from steps.sandbox.records import Account, Contact, Document, Line, Payment, World, midnight

API_KEY = "sandbox-holded-key"
DOCUMENTS_PER_PAGE = 500
ADDRESS: Json = {
    "address": "Calle Mayor 1", "city": "Madrid", "postalCode": "28013", "province": "Madrid", "country": "España",
    "countryCode": "ES", "info": "",
}  # fmt: skip
DEFAULTS: Json = {
    "salesChannel": 0, "expensesAccount": 0, "dueDays": 0, "paymentDay": 0, "paymentMethod": 0, "discount": 0,
    "language": "es", "currency": "eur", "salesTax": [], "purchasesTax": [], "accumulateInForm347": "yes",
}  # fmt: skip
"""Of contacts."""


def answer(call: Call, world: World, modes: Modes) -> Answer:
    """What Holded answers. A path it does not know gets the web application's page, with status 200."""
    if (key := call.headers.get("key")) != API_KEY:
        return error(400 if (key or "").startswith("pat_") else 401, "Invalid key")
    match [call.method, *call.path.strip("/").split("/")]:
        case ["GET", "documents", kind, *ids] if len(ids) <= 1:
            return _documents(call, kind, ids, world, modes)
        case ["GET", resource, *ids] if resource in _RESOURCES and len(ids) <= 1:
            return _RESOURCES[resource](call, ids, world, modes)
    return html_answer(200, WEB_APP_PAGE)


def error(status: int, info: str) -> Answer:
    """The body that Holded's errors usually have."""
    return json_answer({"status": 0, "info": info}, status)


def _contacts(call: Call, ids: list[str], world: World, modes: Modes) -> Answer:
    if ids:
        found = (contact for contact in world.contacts if contact.id == ids[0] and contact.found_by_id)
        return _detail([contact_json(contact) for contact in found], "Contact", modes)
    listed = [contact for contact in world.contacts if contact.listed and contact.found_by_id]
    return _page(call, listed, contact_json, modes)


def _channels(call: Call, ids: list[str], world: World, modes: Modes) -> Answer:
    if ids:
        found = [account_json(account, alone=True) for account in world.accounts if account.id == ids[0]]
        return _detail(found, "Sales channel", modes)
    return _page(call, [account for account in world.accounts if not account.archived], account_json, modes)


_RESOURCES: dict[str, Callable[[Call, list[str], World, Modes], Answer]] = {
    "contacts": _contacts,
    "saleschannels": _channels,
}


def _documents(call: Call, kind: str, ids: list[str], world: World, modes: Modes) -> Answer:
    known = {"invoice": world.invoices, "creditnote": world.credit_notes}
    if kind not in known:
        return error(400, "Invalid document type")
    documents = known[kind]
    if ids:
        return _detail([document_json(d) for d in documents if d.id == ids[0]], "Document", modes)
    chosen = _sorted(call, [document for document in documents if _fits(call, document)])
    size = min(max(whole_number(call.query.get("limit"), DOCUMENTS_PER_PAGE), 1), modes.holded_documents_per_page)
    return json_answer([document_json(document) for document in _slice(call, chosen, size)])


def _sorted(call: Call, documents: list[Document]) -> list[Document]:
    """By creation; the newest first unless `created-asc` is asked for."""
    ascending = call.query.get("sort") == "created-asc"
    return sorted(documents, key=lambda document: (document.sequence, document.id), reverse=not ascending)


def _fits(call: Call, document: Document) -> bool:
    """Whether it is dated in the window that was asked for; one with a single end brings nothing.

    By the date of the academy's records, even where a spoiled one is served: so the window still brings it.
    """
    asked = "starttmp" in call.query, "endtmp" in call.query
    if not all(asked):
        return not any(asked)
    start, end = (whole_number(call.query[name], 0) for name in ("starttmp", "endtmp"))
    return start <= midnight(document.date) <= end


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


def account_json(record: Account, *, alone: bool = False) -> Json:
    """A sales channel; read alone it also says whether it is archived."""
    row: Json = {"id": record.id, "name": record.name, "color": "#31b0d5", record.number_key: record.number}
    if record.description is not None:
        row["desc"] = record.description
    return row | {"archived": int(record.archived)} if alone else row


def contact_json(record: Contact) -> Json:
    """A contact; a company's empty objects are lists, as PHP writes them."""
    made = midnight(record.created_on)
    row: Json = {
        "id": record.id, "customId": None, "name": record.name, "code": record.tax_id, "vatnumber": "",
        "tradeName": 0 if record.is_person else record.name, "email": record.email,
        "mobile": "+34600111222" if record.is_person else 0, "phone": "", "type": "client", "iban": "", "swift": "",
        "groupId": "", "clientRecord": {"num": 43000012, "name": record.name} if record.is_person else 0,
        "supplierRecord": 0, "billAddress": ADDRESS if record.is_person else [], "customFields": [],
        "defaults": DEFAULTS if record.is_person else [],
        "socialNetworks": {"website": ""} if record.is_person else [], "tags": [], "notes": [], "contactPersons": [],
        "shippingAddresses": [], "isperson": int(record.is_person), "createdAt": made, "updatedAt": made,
        "updatedHash": "0f3a9c",
    }  # fmt: skip
    return row | dict(record.raw)


def document_json(record: Document) -> Json:
    """An invoice or a credit note with its lines."""
    number: Callable[[Decimal], Any] = str if record.amounts_as_text else Decimal
    row: Json = {
        "id": record.id, "contact": record.contact_id, "contactName": record.contact_name, "desc": "",
        "date": midnight(record.date), "dueDate": midnight(record.due_on) if record.due_on else None,
        "multipledueDate": [] if record.due_on else {"date": midnight(record.date), "amount": number(record.total)},
        "forecastDate": None, "notes": "", "tags": [],
        "products": [_line(record, position, line) for position, line in enumerate(record.lines)],
        "tax": number(record.tax), "subtotal": number(record.subtotal), "discount": 0, "total": number(record.total),
        "language": "es", "status": record.status, "customFields": [], "currency": record.currency,
        "currencyChange": record.exchange_rate, "paymentsTotal": number(record.paid),
        "paymentsPending": number(record.total - record.paid), "paymentsRefunds": 0, "shipping": "hidden",
    }  # fmt: skip
    if record.number is not None:
        row["docNumber"] = record.number
    if record.payments:
        row["paymentsDetail"] = [_payment(record, payment) for payment in record.payments]
    if record.source_invoice_id is not None:
        row["from"] = {"id": record.source_invoice_id, "docType": "invoice"}
    return row | dict(record.raw)


def _line(record: Document, position: int, line: Line) -> Json:
    row: Json = {
        "name": line.name, "desc": "", "price": line.price, "units": line.units, "projectid": None,
        "tax": line.tax_percent, "taxes": [f"s_iva_{line.tax_percent}"], "tags": [], "discount": line.discount,
        "retention": 0, "weight": 0, "costPrice": 0, "sku": "", "line_id": f"{position:02x}{record.id[2:]}",
    }  # fmt: skip
    if record.amounts_as_text:
        row |= {"price": str(line.price), "units": str(line.units)}
    return row if line.account_id is None else row | {"account": line.account_id}


def _payment(record: Document, payment: Payment) -> Json:
    amount = str(payment.amount) if record.amounts_as_text else payment.amount
    bank = "65aa00000000000000000001"
    return {"id": f"b0{record.id[2:]}", "amount": amount, "date": midnight(payment.paid_on), "bankId": bank}
