"""Everything that waits for a person stands in one list, with amount, reason and age."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steps.ledger.contract import recompute_contracts
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.waterfall import waterfall
from steps.reports.worklist import WorkItem, WorkKind, Worklist, worklist
from tests.new_database import NewDatabase, on_both_databases
from tests.steps.accruals.builders import day, document, period
from tests.steps.accruals.database_ledger import Stored, accrue, accrue_months, add_document, execute, store
from tests.steps.accruals.recorded_imports import sound_import
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.accruals.strategies import contracts
from tracking.database import read_session, write_session

pytestmark = pytest.mark.slow

TODAY = date(2024, 5, 10)
LATE_APRIL = (document("2024-04-20", "600.00"),)


def listed() -> Worklist:
    with read_session() as session:
        return worklist(session, SETTINGS, TODAY)


def shown(items: tuple[WorkItem, ...]) -> list[tuple[str, int, str, str, int]]:
    return [(i.kind.value, i.contract.id, str(i.amount), i.since.isoformat(), i.age_days) for i in items]


STORIES: dict[str, tuple[Stored, tuple[str, str, str], str]] = {
    "postponed": (
        Stored(periods=(period("2024-01-08", "2024-12-20", "POSTPONED", "2024-04-10"),)),
        ("postponed", "440.00", "2024-04-10"),
        "POSTPONED since 2024-04-10: unless it is resumed, 2024-07 accrues all that remains",
    ),
    "over but active": (
        Stored(documents=LATE_APRIL, periods=(period("2024-01-08", "2024-03-30"),)),
        ("period_over_but_active", "600.00", "2024-03-30"),
        "ended on 2024-03-30 but is still ACTIVE",
    ),
    "over within the month": (
        Stored(documents=LATE_APRIL, periods=(period("2024-01-08", "2024-03-30"),)),
        ("period_over_but_active", "600.00", "2024-03-30"),
        "still ACTIVE",
    ),
    "nobody knows the client": (
        Stored(documents=LATE_APRIL, periods=()),
        ("missing_crm_data", "600.00", "2024-04-20"),
        "no period and no Notion page",
    ),
    "not enrolled yet": (
        Stored(documents=LATE_APRIL, periods=(), page=("ACTIVE", None)),
        ("no_enrollment", "600.00", "2024-04-20"),
        "no period yet",
    ),
    "not enrolled for long": (
        Stored(periods=(), page=("ACTIVE", None)),
        ("not_congruent_status", "600.00", "2024-01-10"),
        "no period, and Notion says ACTIVE",
    ),
    "canceled but taught": (
        Stored(status="CANCELED"),
        ("not_congruent_status", "600.00", "2024-01-10"),
        "the contract is CANCELED, but period",
    ),
    "bad data": (
        Stored(documents=(document("2024-01-10", "600.00"), document("2024-04-02", "5.00", "USD"))),
        ("failed", "310.00", "2024-04-01"),
        "is in USD, the contract in EUR",
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_waits_has_its_kind_amount_reason_and_age(story: str, database: str) -> None:
    contract, (kind, amount, since), reason = STORIES[story]
    store(contract)
    accrue_months("2024-01", "2024-02", "2024-03", "2024-04")
    Books().accrued("2024-04")

    found = listed()

    assert (found.month, found.today) == (day("2024-04"), TODAY)
    own = [item for item in found.items if item.currency == "EUR"]
    age = (TODAY - date.fromisoformat(since)).days
    assert shown(tuple(own)) == [(kind, 1, amount, since, age)]
    assert reason in own[0].reason
    assert own[0].contract.service == "Course"


def test_what_is_taught_or_over_waits_for_nobody(database: str) -> None:
    store(Stored(), Stored(2, periods=(period("2024-06-01", "2024-09-30", number=2),)), Stored(3, periods=()))
    accrue_months("2024-01", "2024-02", "2024-03")

    assert listed().items == ()


def test_before_anything_was_accrued_it_is_as_of_the_month_before_today(database: str) -> None:
    store(Stored(periods=(), page=("ACTIVE", None)))

    assert listed().month == day("2024-04")
    assert [item.kind for item in listed().items] == [WorkKind.NOT_CONGRUENT]


def test_what_was_accrued_before_an_enrollment_is_listed_with_what_was_accrued(database: str) -> None:
    store(Stored(periods=()))
    accrue_months("2024-01", "2024-02")
    Books().period(1, "2024-02-01", "2024-06-30")
    accrue("2024-03")

    assert shown(listed().items) == [("accrued_before_enrollment", 1, "600.00", "2024-01-01", 130)]


def test_what_a_document_of_later_brings_and_what_is_corrected_since_change_the_list(database: str) -> None:
    store(Stored(periods=(), page=("ACTIVE", None)))
    accrue_months("2024-01", "2024-02")
    Books().accrued("2024-02")
    add_document(1, "2024-03-05", "1.00")
    assert [item.amount for item in listed().items] == [Decimal(600)]

    Books().period(1, "2024-02-01", "2024-06-30")

    assert listed().items == ()


def test_totals_are_by_kind_and_currency(database: str) -> None:
    store(*(Stored(number, periods=(), page=("ACTIVE", None)) for number in (1, 2)))
    store(Stored(3, documents=LATE_APRIL, periods=()))
    accrue_months("2024-03", "2024-04")
    execute("UPDATE invoice SET currency = 'USD' WHERE service_contract_id = 2")
    execute("UPDATE service_contract SET contract_currency = 'USD' WHERE id = 2")

    totals = [(total.kind.value, total.currency, total.contracts, str(total.amount)) for total in listed().totals]

    assert totals == [
        ("not_congruent_status", "EUR", 1, "600.00"),
        ("not_congruent_status", "USD", 1, "600.00"),
        ("missing_crm_data", "EUR", 1, "600.00"),
    ]


@on_both_databases(examples=40)
def test_all_together_it_is_what_the_waterfall_calls_not_scheduled(new_database: NewDatabase, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some=st.lists(contracts(), min_size=1, max_size=3), months=st.integers(0, 10), late=st.booleans())
    def check(some: list[Any], months: int, late: bool) -> None:
        new_database()
        sound_import(MonthWindow(day("2024-01"), day("2025-01")))
        for number, each in enumerate(some, 1):
            page = (each.notion.status, each.notion.day and each.notion.day.isoformat()) if each.notion else None
            store(Stored(number, each.documents, each.periods, each.status.value, page))
        for month in range(1, months + 1):
            accrue(f"2024-{month:02}")
        if late and months:
            add_document(1, f"2024-{months:02}-02", "12.34")
            with write_session() as session:
                recompute_contracts(session, [1], lambda row: row["net_amount"])

        with read_session() as session:
            found = worklist(session, SETTINGS, TODAY + timedelta(days=600))
            report = waterfall(session, found.month, SETTINGS)
        sums: dict[str, Decimal] = {}
        for total in found.totals:
            if total.kind is not WorkKind.ACCRUED_BEFORE_ENROLLMENT:
                sums[total.currency] = sums.get(total.currency, ZERO) + total.amount
        expected = {total.currency: total.not_scheduled for total in report.totals if total.not_scheduled}

        assert {currency: amount for currency, amount in sums.items() if amount} == expected
        assert len({(item.contract.id, item.currency, item.kind) for item in found.items}) == len(found.items)

    check()
