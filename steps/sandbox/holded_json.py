"""The academy's books in the shape of Holded's JSON, PHP-like typing included."""

from decimal import Decimal
from typing import Any

from steps.sandbox.exchange import Json
from steps.sandbox.records import Account, Contact, Document, Line, Payment, midnight


def account(record: Account, *, alone: bool = False) -> Json:
    """A sales channel; read alone it also says whether it is archived."""
    row: Json = {"id": record.id, "name": record.name, "color": "#31b0d5", record.number_key: record.number}
    if record.description is not None:
        row["desc"] = record.description
    return row | {"archived": int(record.archived)} if alone else row


def catalogue(accounts: list[Account]) -> list[Json]:
    """The catalogue of services, which is not the list of income accounts: a seat for each, and one loose hour."""
    rows: list[Json] = [
        {"id": f"5e{account.id[2:]}", "name": f"Plaza {account.name}", "desc": "", "code": f"BC-{number:02d}",
         "price": 250, "cost": 0, "taxes": ["s_iva_0"], "tags": [], "salesChannelId": account.id}
        for number, account in enumerate(accounts)
    ]  # fmt: skip
    loose = {"name": "Mentoring hour", "desc": "", "price": "60.00", "cost": 0, "taxes": [], "tags": []}
    return [*rows, {"id": "5e0000000000000000000000", **loose, "salesChannelId": ""}]


def contact(record: Contact) -> Json:
    """A contact; a company's empty objects are lists, as PHP writes them."""
    made = midnight(record.created_on)
    row: Json = {
        "id": record.id, "customId": None, "name": record.name, "code": record.tax_id, "vatnumber": "",
        "tradeName": 0 if record.is_person else record.name, "email": record.email,
        "mobile": "+34600111222" if record.is_person else 0, "phone": "", "type": "client", "iban": "", "swift": "",
        "groupId": "", "clientRecord": {"num": 43000012, "name": record.name} if record.is_person else 0,
        "supplierRecord": 0, "billAddress": _address() if record.is_person else [], "customFields": [],
        "defaults": _defaults() if record.is_person else [],
        "socialNetworks": {"website": ""} if record.is_person else [], "tags": [], "notes": [], "contactPersons": [],
        "shippingAddresses": [], "isperson": int(record.is_person), "createdAt": made, "updatedAt": made,
        "updatedHash": "0f3a9c",
    }  # fmt: skip
    return row | dict(record.raw)


def document(record: Document) -> Json:
    """An invoice or a credit note with its lines."""
    number = _as_text if record.amounts_as_text else _as_number
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


def paid_state(record: Document) -> str:
    """The `paid` filter's value that brings the document: 0 no, 1 yes, 2 partly."""
    if not record.paid:
        return "0"
    return "1" if record.paid == record.total else "2"


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
    amount = _as_text(payment.amount) if record.amounts_as_text else payment.amount
    bank = "65aa00000000000000000001"
    return {"id": f"b0{record.id[2:]}", "amount": amount, "date": midnight(payment.paid_on), "bankId": bank}


def _address() -> Json:
    return {
        "address": "Calle Mayor 1", "city": "Madrid", "postalCode": "28013", "province": "Madrid",
        "country": "España", "countryCode": "ES", "info": "",
    }  # fmt: skip


def _defaults() -> Json:
    return {
        "salesChannel": 0, "expensesAccount": 0, "dueDays": 0, "paymentDay": 0, "paymentMethod": 0, "discount": 0,
        "language": "es", "currency": "eur", "salesTax": [], "purchasesTax": [], "accumulateInForm347": "yes",
    }  # fmt: skip


def _as_text(amount: Decimal) -> Any:
    return str(amount)


def _as_number(amount: Decimal) -> Any:
    return amount
