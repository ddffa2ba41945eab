"""A ledger of any size, inserted directly: as an academy's looks, without asking a vendor for it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text
from sqlmodel import Session, SQLModel

from steps.ledger.client import Client, ClientExternalId, System
from steps.ledger.contract import DocumentKind, Invoice, ServiceContract
from steps.ledger.service import PeriodStatus, Service, ServicePeriod
from tracking.database import get_engine, write_session

Row = dict[str, Any]

_BATCH = 2_000
_WEEKDAYS = (None, [0, 2], [1, 3], [0, 1, 2, 3, 4])
_STATUSES = [PeriodStatus.ACTIVE] * 7 + [PeriodStatus.ENDED, PeriodStatus.DROPPED, PeriodStatus.POSTPONED]
_DETAILS = {"lines": [{"name": "A course of six months", "account": "700", "units": 1}] * 4, "notes": "x" * 300}


@dataclass(frozen=True)
class Begun:
    """When the contracts begin, as days after 1 January 2024."""

    first: int = 0
    last: int = 360


def fill_ledger(contracts: int, begun: Begun) -> None:
    """Contracts with two documents, one or two periods and, most of them, a Notion page; the same for each run."""
    chance = random.Random(contracts)
    with write_session() as session:
        session.execute(insert(Service), [_service(number) for number in range(1, len(_WEEKDAYS) + 1)])
        for first in range(1, contracts + 1, _BATCH):
            rows: dict[type[SQLModel], list[Row]] = {}
            for contract_id in range(first, min(first + _BATCH, contracts + 1)):
                for model, row in _contract(contract_id, begun, chance):
                    rows.setdefault(model, []).append(row)
            _insert(session, rows)
    with get_engine().connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def _insert(session: Session, rows: dict[type[SQLModel], list[Row]]) -> None:
    for model in (Client, ClientExternalId, ServiceContract, Invoice, ServicePeriod):
        if model in rows:
            session.execute(insert(model), rows[model])


def _contract(number: int, begun: Begun, chance: random.Random) -> Iterator[tuple[type[SQLModel], Row]]:
    start = date(2024, 1, 1) + timedelta(days=chance.randint(begun.first, begun.last))
    cents = chance.randrange(100_000, 800_000)
    yield Client, {"id": number, "identifier": f"person{number}@example.org", "name": f"Person {number}"}
    if chance.random() < 0.7:
        yield ClientExternalId, _page(number, start, chance)
    yield ServiceContract, _contract_row(number, start, cents)
    yield Invoice, _document(number, 0, start, cents // 2)
    yield Invoice, _document(number, 1, start + timedelta(days=40), cents - cents // 2)
    if chance.random() < 0.03:
        return
    end = start + timedelta(days=chance.randint(90, 200))
    yield ServicePeriod, _period(number, 0, start, end, chance)
    if chance.random() < 0.4:
        yield ServicePeriod, _period(number, 1, end - timedelta(days=10), end + timedelta(days=60), chance)


def _service(number: int) -> Row:
    return {"external_id": f"account{number}", "name": f"Course {number}", "class_weekdays": _WEEKDAYS[number - 1]}


def _page(number: int, start: date, chance: random.Random) -> Row:
    return {
        "client_id": number,
        "system": System.NOTION.value,
        "external_id": f"page{number}",
        "educational_status": chance.choice(["ACTIVE", "GRADUATED", "DROPPED"]),
        "educational_status_date": start + timedelta(days=chance.randint(0, 120)),
    }


def _contract_row(number: int, start: date, cents: int) -> Row:
    return {
        "id": number,
        "client_id": number,
        "service_id": number % len(_WEEKDAYS) + 1,
        "contract_date": start,
        "contract_amount": Decimal(cents).scaleb(-2),
        "contract_currency": "EUR",
        "status": "ACTIVE",
    }


def _document(contract: int, number: int, day: date, cents: int) -> Row:
    amount = Decimal(cents).scaleb(-2)
    return {
        "external_id": f"doc{contract}-{number}",
        "kind": DocumentKind.INVOICE.value,
        "client_id": contract,
        "service_contract_id": contract,
        "invoice_number": f"F{contract}-{number}",
        "invoice_date": day,
        "total_amount": amount,
        "net_amount": amount,
        "currency": "EUR",
        "status": "1",
        "original_data": _DETAILS,
    }


def _period(contract: int, number: int, start: date, end: date, chance: random.Random) -> Row:
    status = chance.choice(_STATUSES)
    changed = None if status is PeriodStatus.ACTIVE else start + timedelta(days=chance.randint(20, 120))
    return {
        "contract_id": contract,
        "external_id": f"cohort-{number}",
        "name": "A cohort",
        "start_date": start,
        "end_date": end,
        "status": status.value,
        "status_change_date": changed,
    }
