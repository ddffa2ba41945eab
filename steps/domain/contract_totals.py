"""A contract's amount, date and currency: always summed up anew from its documents, never added to."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal

from sqlmodel import Session, col

from steps.domain.contract import ServiceContract
from steps.domain.invoice import Invoice
from steps.domain.money import ZERO
from steps.domain.rows import Row, merge_rows, select_in

AmountCounted = Callable[[Row], Decimal]
"""What a document counts, given its `total_amount` and `net_amount` (`SYNC_ACCRUAL_BASIS`)."""

_DOCUMENT = (
    Invoice.service_contract_id,
    Invoice.external_id,
    Invoice.invoice_date,
    Invoice.currency,
    Invoice.total_amount,
    Invoice.net_amount,
)
_CONTRACT = (
    ServiceContract.id,
    ServiceContract.client_id,
    ServiceContract.service_id,
    ServiceContract.contract_date,
    ServiceContract.contract_amount,
    ServiceContract.contract_currency,
)


def recompute_contracts(session: Session, contract_ids: Iterable[int], amount_counted: AmountCounted) -> None:
    """Bring contracts up to date after their documents changed. Their status is the accruals' and is not touched.

    `contract_date` is the date of the first document that is not void; a contract that has none left keeps its date and
    has an amount of 0. Sums are made here, in Decimals: SQLite would add binary floats.
    """
    wanted = sorted(set(contract_ids))
    documents: dict[int, list[Row]] = defaultdict(list)
    for row in select_in(session, _DOCUMENT, Invoice.service_contract_id, wanted, col(Invoice.voided_at).is_(None)):
        documents[row["service_contract_id"]].append(row)
    contracts = select_in(session, _CONTRACT, ServiceContract.id, wanted)
    rows = [contract | _totals(documents[contract["id"]], amount_counted) for contract in contracts]
    merge_rows(session, ServiceContract, rows, ("id",))


def _totals(documents: list[Row], amount_counted: AmountCounted) -> Row:
    amount = sum((amount_counted(row) for row in documents), ZERO)
    if not documents:
        return {"contract_amount": amount}
    first = min(documents, key=lambda row: (row["invoice_date"], row["external_id"]))
    return {
        "contract_amount": amount,
        "contract_date": first["invoice_date"],
        "contract_currency": first["currency"],
    }
