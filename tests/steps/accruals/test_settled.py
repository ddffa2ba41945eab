"""Settled contracts are left out in SQL: whatever happens to them, the table would have come to the same."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import null
from sqlmodel import SQLModel

import steps.accruals
from steps.engine.decision_table import decide
from steps.ledger.accrual import AccrualTransition, AccruedPeriod, ContractAccrual
from steps.ledger.client import Client, ClientExternalId
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from tests.benchmarks.invented_ledger import Begun, fill_ledger
from tests.steps.accruals.database_ledger import YEARS, accrue, add_document, execute, snapshot
from tests.steps.accruals.recorded_imports import sound_import
from tracking.models import IntegrationError, SyncExecution

pytestmark = pytest.mark.slow

LIFE = MonthWindow(date(2024, 1, 1), date(2024, 12, 1))
CONTRACTS = 40
ALL: tuple[type[SQLModel], ...] = (
    AccruedPeriod,
    AccrualTransition,
    ContractAccrual,
    IntegrationError,
    SyncExecution,
    ServicePeriod,
    Invoice,
    ServiceContract,
    ClientExternalId,
    Client,
    Service,
)
"""What names others before what it names."""

HAPPENINGS = (
    "UPDATE invoice SET voided_at = '2024-06-01 00:00:00.000000+00:00' WHERE service_contract_id = :contract",
    "UPDATE invoice SET currency = 'USD' WHERE service_contract_id = :contract",
    "UPDATE invoice SET net_amount = net_amount - 0.01 WHERE service_contract_id = :contract",
    "UPDATE service_contract SET status = 'ACTIVE' WHERE id = :contract",
    "UPDATE service_period SET end_date = '2024-01-01', start_date = '2024-01-02' WHERE contract_id = :contract",
    "UPDATE service_period SET status = 'DROPPED', status_change_date = '2024-05-01' WHERE contract_id = :contract",
    "UPDATE service_period SET voided_at = '2024-06-01 00:00:00.000000+00:00' WHERE contract_id = :contract",
    "UPDATE contract_accrual SET sessions_accrued = -1 WHERE contract_id = :contract",
    "UPDATE contract_accrual SET remaining_sessions_to_accrue = 5 WHERE contract_id = :contract",
    "UPDATE contract_accrual SET last_month = NULL WHERE contract_id = :contract",
    "UPDATE accrued_period SET rule = 'row-14', service_period_id = NULL WHERE accrual_date = '2024-06-01' AND"
    " contract_accrual_id = (SELECT id FROM contract_accrual WHERE contract_id = :contract)",
    "UPDATE service SET class_weekdays = '[7]' WHERE id = :contract",
)
GARBAGE = (
    "UPDATE invoice SET invoice_date = '2024-02-31' WHERE service_contract_id = :contract",
    "UPDATE invoice SET net_amount = 'a lot' WHERE service_contract_id = :contract",
    "UPDATE service_period SET status_change_date = 'soon' WHERE contract_id = :contract",
    "UPDATE service_period SET created_on = x'41' WHERE contract_id = :contract",
    "UPDATE client_external_id SET educational_status_date = '' WHERE client_id = :contract",
)
"""What only SQLite would store."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The contracts that the table decided, one entry each time."""
    decided: list[int] = []

    def count(inputs: Any, *args: Any, **options: Any) -> Any:
        decided.append(inputs.id)
        return decide(inputs, *args, **options)

    monkeypatch.setattr(steps.accruals, "decide", count)
    return decided


def _happen(chance: random.Random, month: date, happenings: tuple[str, ...]) -> None:
    """A few things that change or break contracts, settled ones among them."""
    for number in range(4):
        contract, late = chance.randint(1, CONTRACTS), f"{month + timedelta(days=chance.randint(-40, 20))}"
        if number < 2:
            amount = chance.choice(["100.00", "-50.00", "0.00", "0.01"])
            add_document(contract, late, amount, external_id=f"late-{month}-{number}")
        else:
            execute(chance.choice(happenings), contract=contract)


def _lived(seed: int, database: str) -> Iterator[Any]:
    """Month by month the result of the step, and all that it wrote."""
    lite = database.startswith("sqlite")
    empty = "DELETE FROM {}" if lite else "TRUNCATE {} RESTART IDENTITY CASCADE"
    for model in ALL:
        execute(empty.format(model.__tablename__))
    sound_import(YEARS)
    fill_ledger(CONTRACTS, Begun(0, 60))
    chance = random.Random(seed)
    for window in LIFE.months():
        if window.start >= date(2024, 5, 1):
            _happen(chance, window.start, HAPPENINGS + GARBAGE if lite else HAPPENINGS)
        yield accrue(f"{window.start:%Y-%m}", chunk_size=9), _without_times()


def _without_times() -> list[dict[str, Any]]:
    written = [row for rows in snapshot().values() for row in rows]
    return [{name: value for name, value in row.items() if not name.endswith("_at")} for row in written]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_what_is_left_out_the_table_would_have_skipped(
    seed: int, database: str, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_ERROR_BUDGET", "100%")
    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", ("prospective", "catch-up")[seed])
    left_out = list(_lived(seed, database))
    with_some_left_out = len(counted)
    monkeypatch.setattr(steps.accruals, "settled_cents", lambda *_: null())

    decided = list(_lived(seed, database))

    assert decided == left_out
    assert with_some_left_out < 0.9 * (len(counted) - with_some_left_out), "hardly any contract was left out"
