"""Opening balances: a ledger that begins in mid-life takes deferred revenue by contract (docs/opening-balances.md).

Each line becomes a document of its own kind, dated the first day of the first month. So it counts wherever documents
do: it is accrued like any invoice, and a credit note for an older invoice takes it back.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from io import StringIO

from sqlalchemy import or_, select, update
from sqlmodel import Session, col

from steps.closing import Signature
from steps.errors import UsageError
from steps.ledger.accrual import last_closed_month
from steps.ledger.client import Client, normalize_email
from steps.ledger.contract import OPENING_BALANCE, Invoice, OpeningBalances, ServiceContract, recompute_contracts
from steps.ledger.money import ZERO, parse_amount, shown
from steps.ledger.service import Service
from steps.ledger.upsert import Row, merge_rows, select_in, write_many
from steps.settings import SyncSettings
from tracking.database import read_session, write_session
from tracking.models import utc_now

COLUMNS = ("email", "name", "service", "amount", "currency")
_OPTIONAL = {"name"}
_CONTRACT = (
    ServiceContract.id,
    ServiceContract.client_id,
    ServiceContract.service_id,
    ServiceContract.contract_currency,
)
_LONGEST_HEADER = 200
"""Characters of a header that a message shows."""
_MOST_FAULTS = 20
"""Lines that a refusal names; of more it says how many."""


@dataclass(frozen=True, slots=True)
class OpeningBalance:
    """What is deferred of one contract."""

    line: int
    """Of the file, its header being 1."""
    email: str
    name: str
    service_id: int
    service: str
    amount: Decimal
    currency: str
    new_client: bool
    new_contract: bool


@dataclass(frozen=True, slots=True)
class LoadedBalances:
    """What a file puts into the ledger, or would."""

    month: date
    balances: tuple[OpeningBalance, ...]
    load_id: int | None
    """None: a preview."""

    @property
    def totals(self) -> dict[str, Decimal]:
        """By currency."""
        sums: dict[str, Decimal] = {}
        for each in self.balances:
            sums[each.currency] = sums.get(each.currency, ZERO) + each.amount
        return dict(sorted(sums.items()))


class UnfitBalancesError(UsageError):
    """A file with lines that cannot be taken: nothing of it was."""

    def __init__(self, file_name: str, faults: list[str]) -> None:
        self.faults = tuple(faults)
        more = f"; and {len(faults) - _MOST_FAULTS} more lines" if len(faults) > _MOST_FAULTS else ""
        super().__init__(f"nothing was taken from {file_name}: {'; '.join(faults[:_MOST_FAULTS])}{more}")


@dataclass(frozen=True, slots=True)
class BalanceFile:
    """A CSV and what is asked with it."""

    name: str
    text: str
    month: date
    """First day of the first month of the ledger."""


def load_opening_balances(
    file: BalanceFile, by: Signature, settings: SyncSettings, *, preview: bool = False
) -> LoadedBalances:
    """Take every line of a file into the ledger in one transaction, or none.

    Raises:
        UnfitBalancesError: lines that cannot be taken, each with its number and what is wrong.
        UsageError: no reason, no such columns, or the month is closed.
    """
    if not preview and not by.reason.strip():
        raise UsageError("opening balances need a reason: it stays in the books")
    records = list(_records(file))
    with write_session() as session:
        closed = last_closed_month(session)
        if closed is not None and file.month <= closed:
            raise UsageError(f"{file.month:%Y-%m} is closed: reopen it first, or begin after {closed:%Y-%m}")
        reader = _Reader.of(session, file.month, records)
        balances = tuple(each for record in records if (each := reader.balance(*record)))
        if reader.faults:
            raise UnfitBalancesError(file.name, reader.faults)
        load_id = None if preview else _write(session, file, by, settings, balances)
        return LoadedBalances(file.month, balances, load_id)


def _records(file: BalanceFile) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line that is not empty, by the names of its columns, with its number."""
    text = file.text.removeprefix("\ufeff")
    header = text.partition("\n")[0]
    rows = csv.reader(StringIO(text), delimiter=";" if header.count(";") > header.count(",") else ",")
    names = [name.strip().lower() for name in next(rows, [])]
    missing = [name for name in COLUMNS if name not in names and name not in _OPTIONAL]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown or len(set(names)) < len(names):
        given = ", ".join(names)[:_LONGEST_HEADER] or "nothing"
        raise UsageError(f"{file.name} begins with {given}: expected are {', '.join(COLUMNS)}")
    for row in rows:
        if any(cell.strip() for cell in row):
            yield rows.line_num, dict(zip(names, (cell.strip() for cell in row), strict=False))


@dataclass
class _Reader:
    """Turns records into balances, noting what is wrong with each."""

    services: Mapping[str, list[Row]]
    """By each of the names that a service has, in lower case."""
    clients: Mapping[str, int]
    contracts: Mapping[tuple[int, int], Row]
    """By client and service."""
    taken: set[int]
    """Contracts that have an opening balance."""
    older: set[int]
    """Contracts with documents before the month."""
    faults: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, month: date, records: Iterable[tuple[int, dict[str, str]]]) -> "_Reader":
        """With what the ledger knows of the records; a few queries."""
        services: dict[str, list[Row]] = {}
        columns = Service.id, Service.external_id, Service.account_identifier, Service.name
        for row in session.execute(select(*map(col, columns))).mappings():
            for name in {str(row[key] or "").lower() for key in ("external_id", "account_identifier", "name")} - {""}:
                services.setdefault(name, []).append(dict(row))
        emails = {email for _, record in records if (email := normalize_email(record.get("email")))}
        clients = _clients(session, emails)
        contract, counted = col(Invoice.service_contract_id), col(Invoice.voided_at).is_(None)
        is_opening = col(Invoice.kind) == OPENING_BALANCE
        documents = select(contract, is_opening).where(counted, or_(is_opening, col(Invoice.invoice_date) < month))
        known = session.execute(documents.where(contract.is_not(None)).distinct()).all()
        return cls(
            services,
            clients,
            {(row["client_id"], row["service_id"]): row for row in _contracts(session, clients.values())},
            {each for each, opening in known if opening},
            {each for each, opening in known if not opening},
        )

    def balance(self, line: int, record: Mapping[str, str]) -> OpeningBalance | None:
        """The balance of a line; None, and a fault, if it cannot be taken."""
        try:
            return self._balance(line, record)
        except ValueError as wrong:
            self.faults.append(f"line {line}: {wrong}")
            return None

    def _balance(self, line: int, record: Mapping[str, str]) -> OpeningBalance:
        email = normalize_email(record.get("email"))
        if email is None:
            raise ValueError(f"{shown(record.get('email', ''))} is no email address")
        service = self._service(record.get("service", ""))
        amount, currency = _amount(record.get("amount", "")), record.get("currency", "").upper()
        if not re.fullmatch(r"[A-Z]{3}", currency):
            raise ValueError(
                f"{shown(record.get('currency', ''))} is no currency: three letters such as EUR are expected"
            )
        first = self._seen.setdefault((email, service["id"]), line)
        if first != line:
            raise ValueError(f"{email} and {service['name']} stand in line {first} already")
        contract = self.contracts.get((self.clients.get(email, 0), service["id"]))
        if contract is not None:
            self._require_room(contract, currency)
        names = email, record.get("name", ""), service["id"], service["name"]
        return OpeningBalance(line, *names, amount, currency, email not in self.clients, contract is None)

    def _service(self, text: str) -> Row:
        found = self.services.get(text.lower(), [])
        if len(found) != 1:
            many = f"{len(found)} services are called" if found else "no service is called"
            raise ValueError(f"{many} {shown(text)}: its Holded id, account number or exact name is expected")
        return found[0]

    def _require_room(self, contract: Row, currency: str) -> None:
        who = f"contract {contract['id']}"
        if contract["id"] in self.taken:
            raise ValueError(f"{who} has an opening balance already: revert the load that brought it first")
        if contract["id"] in self.older:
            raise ValueError(f"{who} has documents from before that month: they would be counted twice")
        if contract["contract_currency"] != currency:
            raise ValueError(f"{who} is in {contract['contract_currency']}, and not in {currency}")


def _amount(text: str) -> Decimal:
    """Above 0, in whole cents; a decimal comma is read as one, thousands are not."""
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    amount = parse_amount(plain)
    if amount != Decimal(plain) or amount <= ZERO:
        raise ValueError(f"{shown(text)} is not an amount above 0 in whole cents, such as 1234.56")
    return amount


def _write(
    session: Session, file: BalanceFile, by: Signature, settings: SyncSettings, balances: tuple[OpeningBalance, ...]
) -> int:
    load = OpeningBalances(
        month=file.month,
        file_name=file.name,
        file_hash=sha256(file.text.encode()).hexdigest(),
        contracts=len(balances),
        who=by.who,
        reason=by.reason.strip(),
    )
    session.add(load)
    session.flush()
    new = {each.email: {"identifier": each.email, "name": each.name} for each in balances if each.new_client}
    write_many(session, Client, list(new.values()))
    clients = _clients(session, {each.email for each in balances})
    pairs = [(clients[each.email], each.service_id) for each in balances]
    sold = [
        {
            "client_id": client_id,
            "service_id": service_id,
            "contract_date": file.month,
            "contract_currency": each.currency,
        }
        for each, (client_id, service_id) in zip(balances, pairs, strict=True)
        if each.new_contract
    ]
    merge_rows(session, ServiceContract, sold, ("client_id", "service_id"))
    ids = {(row["client_id"], row["service_id"]): row["id"] for row in _contracts(session, clients.values())}
    documents = [
        {
            "external_id": f"{OPENING_BALANCE}-{load.id}-{each.line}",
            "kind": OPENING_BALANCE,
            "client_id": pair[0],
            "service_contract_id": ids[pair],
            "invoice_number": f"opening {file.month:%Y-%m}",
            "invoice_date": file.month,
            "total_amount": each.amount,
            "net_amount": each.amount,
            "currency": each.currency,
            "status": "",
            "original_data": {"load": load.id, "line": each.line},
        }
        for each, pair in zip(balances, pairs, strict=True)
    ]
    write_many(session, Invoice, documents)
    _recompute(session, (ids[pair] for pair in pairs), settings)
    return load.id or 0


def _clients(session: Session, emails: Iterable[str]) -> dict[str, int]:
    found = select_in(session, (Client.id, Client.identifier), Client.identifier, emails)
    return {row["identifier"]: row["id"] for row in found}


def _contracts(session: Session, client_ids: Iterable[int]) -> list[Row]:
    return select_in(session, _CONTRACT, ServiceContract.client_id, client_ids)


def _recompute(session: Session, contract_ids: Iterable[int], settings: SyncSettings) -> None:
    recompute_contracts(
        session, contract_ids, lambda row: settings.amount_counted(total=row["total_amount"], net=row["net_amount"])
    )


def revert_opening_balances(load_id: int, by: Signature, settings: SyncSettings) -> OpeningBalances:
    """Take what a load brought out again: its documents are void, and what was accrued of them is taken back.

    Raises:
        UsageError: no reason, no such load, it was reverted before, or its month is closed.
    """
    if not by.reason.strip():
        raise UsageError("reverting opening balances needs a reason: it stays in the books")
    with write_session() as session:
        load = session.get(OpeningBalances, load_id)
        if load is None or load.reverted_at is not None:
            raise UsageError(
                f"load {load_id} " + ("was reverted already" if load else "of opening balances is not there")
            )
        closed = last_closed_month(session)
        if closed is not None and load.month <= closed:
            raise UsageError(f"{load.month:%Y-%m} is closed: reopen it first")
        of_load = col(Invoice.external_id).startswith(f"{OPENING_BALANCE}-{load_id}-")
        contract_ids = session.scalars(select(col(Invoice.service_contract_id)).where(of_load)).all()
        session.execute(update(Invoice).where(of_load).values(voided_at=utc_now()))
        _recompute(session, (each for each in contract_ids if each is not None), settings)
        load.reverted_by, load.reverted_at, load.revert_reason = by.who, utc_now(), by.reason.strip()
        session.flush()
        session.expunge(load)
        return load


def loads_of_opening_balances() -> list[OpeningBalances]:
    """The trail: every load there ever was, in order."""
    with read_session() as session:
        return list(session.scalars(select(OpeningBalances).order_by(col(OpeningBalances.id))))
