"""The step as a run calls it: its result, its refusals, what it writes, and that it writes it once."""

import json
from datetime import date

import pytest

from steps.errors import ConfigError, ErrorBudgetError, UsageError
from steps.ledger.accrual import AccruedPeriod
from steps.ledger.months import MonthWindow
from tests.steps.accruals.builders import contract, document, period
from tests.steps.accruals.database_ledger import (
    DROPPED,
    Stored,
    accrue,
    accrue_months,
    add_document,
    amounts,
    contract_statuses,
    execute,
    snapshot,
    states,
    store,
)
from tests.steps.accruals.ledger import Ledger
from tests.steps.calls import accrue_month, process_accruals
from tests.steps.ledger_view import rows
from tracking.models import IntegrationError

SIX_HUNDRED = document("2024-01-10", "600.00")
MARCH = MonthWindow.of(date(2024, 3, 1))


def test_the_result_is_what_people_script_against(database: str) -> None:
    backwards = period("2024-03-09", "2024-03-01", number=7)
    store(
        Stored(1),
        Stored(2, periods=(DROPPED,)),
        Stored(3, periods=(), documents=(document("2024-03-20", "10.00"),)),
        Stored(4, periods=(backwards,)),
        Stored(5, documents=(document("2024-04-01", "10.00"),)),
        Stored(6, periods=(period("2024-01-08", "2024-03-20", "ENDED"),)),
    )

    result = process_accruals(MARCH)

    assert json.loads(json.dumps(result)) == {
        "period_start_date": "2024-03-01",
        "summary": {
            "total_contracts_processed": 5,
            "successful_accruals": 3,
            "failed_accruals": 1,
            "skipped_accruals": 1,
        },
        "amount_accrued": "1357.14",
        "accrued_by_currency": {"EUR": "1357.14"},
        "contracts_closed": 1,
        "contracts_canceled": 1,
        "notifications": [
            {
                "type": "missing_crm_data",
                "contract_id": 3,
                "message": "no period and no Notion page; 10.00 EUR remain",
            }
        ],
        "failures": [
            {"contract_id": 4, "reason": "period cohort-7 ends on 2024-03-01, before it starts on 2024-03-09"}
        ],
        "override": None,
        "policy": {
            "SYNC_ACCRUAL_BASIS": "net",
            "SYNC_ACCRUAL_METHOD": "prospective",
            "SYNC_RECENT_DAYS": "15",
            "SYNC_POSTPONED_MONTHS": "3",
            "SYNC_HOLIDAYS_COUNTRY": "",
            "SYNC_PREWORK_DAYS": "",
        },
    }
    assert contract_statuses() == {1: "ACTIVE", 2: "CANCELED", 3: "ACTIVE", 4: "ACTIVE", 5: "ACTIVE", 6: "CLOSED"}
    assert states()[1] == ("600.00", "157.14", "442.86", "ACTIVE")
    assert set(states()) == {1, 2, 3, 6}


def test_a_month_over_the_error_budget_posts_nothing_and_keeps_its_failures(database: str) -> None:
    backwards = period("2024-03-09", "2024-03-01", number=7)
    broken, sound = range(1, 7), range(7, 11)
    store(*(Stored(number, periods=(backwards,)) for number in broken), *(Stored(number) for number in sound))

    with pytest.raises(ErrorBudgetError, match=r"^6 of 10 records are in trouble, more than SYNC_ERROR_BUDGET=50%"):
        accrue("2024-03")

    assert (states(), set(contract_statuses().values())) == ({}, {"ACTIVE"})
    assert {row["entity_external_id"] for row in rows(IntegrationError)} == {str(number) for number in broken}


def test_a_month_that_is_not_over_is_refused_and_nothing_is_written(database: str) -> None:
    store(Stored())
    before = snapshot()

    with pytest.raises(UsageError, match=r"^2024-03 is not over in Europe/Madrid: .* from 2024-04-01 on$"):
        accrue_month(MARCH, date(2024, 3, 31))
    assert snapshot() == before
    assert accrue_month(MARCH, date(2024, 4, 1))["summary"]["successful_accruals"] == 1


def test_several_months_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match=r"2024-01\.\.2024-03"):
        process_accruals(MonthWindow(date(2024, 1, 1), date(2024, 4, 1)))


def test_a_second_run_writes_nothing(database: str) -> None:
    store(Stored(1), Stored(2, periods=(DROPPED,)), Stored(3, periods=(period("2024-03-09", "2024-03-01"),)))
    accrue_months("2024-01", "2024-02")
    first = accrue("2024-03")
    before = snapshot()

    second = accrue("2024-03")

    assert snapshot() == before
    assert first["amount_accrued"] != "0.00" == second["amount_accrued"]
    assert second["summary"]["skipped_accruals"] == 2
    assert second["failures"] == first["failures"]


def test_a_late_document_is_accrued_in_the_first_open_month_and_the_past_stays(database: str) -> None:
    store(Stored())
    accrue_months("2024-01", "2024-02", "2024-03")
    past = amounts()
    add_document(1, "2024-02-15", "150.00")

    again = accrue("2024-02")
    accrue_months("2024-04", "2024-05", "2024-06")

    assert again["summary"]["skipped_accruals"] == 1
    assert {month: amounts()[month] for month in past} == past
    assert states()[1] == ("750.00", "750.00", "0.00", "COMPLETED")
    assert contract_statuses() == {1: "CLOSED"}


def test_a_month_before_one_that_is_decided_is_locked_and_says_so(database: str) -> None:
    store(Stored())
    accrue("2024-03")

    result = accrue("2024-02")

    assert [note["type"] for note in result["notifications"]] == ["past_month_locked"]
    assert list(amounts()) == ["2024-03"]


def test_a_closed_month_is_never_posted_to(database: str) -> None:
    store(Stored())
    execute(
        "INSERT INTO closed_month (month, closed_by, closed_at, reason, roll_forward, postings_hash)"
        " VALUES ('2024-02-01', 'ana', '2024-03-05 10:00:00+00:00', '', '{}', '')"
    )

    results = [accrue(month) for month in ("2024-01", "2024-02", "2024-03")]

    assert [len(result["notifications"]) for result in results] == [1, 1, 0]
    assert list(amounts()) == ["2024-03"]


@pytest.mark.parametrize(("basis", "expected"), [("net", "600.00"), ("total", "1200.00")])
def test_what_a_document_counts_is_a_setting(
    basis: str, expected: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_ACCRUAL_BASIS", basis)
    store(Stored())

    accrue("2024-01")

    assert states()[1][0] == expected


def test_no_class_is_held_on_a_public_holiday_of_the_country(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mondays from 29 April to 13 May 2024: three, and in Britain 6 May is the Early May bank holiday."""
    course = period("2024-04-29", "2024-05-13")
    store(Stored(periods=(course,)), service={"class_weekdays": [0]})
    monkeypatch.setenv("SYNC_HOLIDAYS_COUNTRY", "GB")

    accrue_months("2024-04", "2024-05")

    assert amounts() == {"2024-04": "300.00", "2024-05": "300.00"}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("Atlantis", "'Atlantis' is no country or region, such as ES or ES-MD; countries are AF, "),
        ("ES-XX", "ES has no region 'XX'; its regions are AN, AR, "),
        ("ES-", "ES has no region ''; its regions are AN, AR, "),
        ("ZW-HA", "ZW has no region 'HA'; its regions are none"),
    ],
)
def test_an_unknown_country_or_region_is_refused_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    store(Stored())
    monkeypatch.setenv("SYNC_HOLIDAYS_COUNTRY", place)

    with pytest.raises(ConfigError, match=f"^SYNC_HOLIDAYS_COUNTRY: {said}") as refusal:
        accrue("2024-01")

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("place", "sessions"), [("", 5), ("es", 4), ("es-md", 3), ("ES-CT", 4)])
def test_the_holidays_of_a_region_are_no_class_days(monkeypatch: pytest.MonkeyPatch, place: str, sessions: int) -> None:
    """Madrid has 2 May 2024, a Thursday, besides 1 May, a Wednesday, which all of Spain has."""
    course, paid = period("2024-05-01", "2024-06-30"), document("2024-04-30", "10.00")
    store(Stored(periods=(course,), documents=(paid,)), service={"class_weekdays": [2, 3]})
    monkeypatch.setenv("SYNC_HOLIDAYS_COUNTRY", place)

    accrue("2024-05")

    assert [row["sessions_accrued"] for row in rows(AccruedPeriod)] == [sessions + 5]


def test_the_worked_example_comes_out_of_the_database_as_well(database: str) -> None:
    course = period("2025-05-12", "2025-08-27")
    halves = (document("2025-03-04", "250.00"), document("2025-07-10", "250.00"))
    store(Stored(documents=halves, periods=(course,)), service={"class_weekdays": [0, 2]})

    accrue_months("2025-05", "2025-06", "2025-07", "2025-08")

    assert amounts() == {"2025-05": "46.88", "2025-06": "70.31", "2025-07": "202.66", "2025-08": "180.15"}


def test_the_notion_page_decides_for_a_contract_without_a_period(database: str) -> None:
    store(
        Stored(1, periods=(), page=("DROPPED", "2024-03-05")),
        Stored(2, periods=(), page=("GRADUATED", "2024-03-05")),
        Stored(3, periods=(), page=("DROPPED", "2024-04-05")),
    )

    result = accrue("2024-03")

    assert contract_statuses() == {1: "CANCELED", 2: "CLOSED", 3: "ACTIVE"}
    assert [note["contract_id"] for note in result["notifications"]] == [3]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_promise_5_the_size_of_the_chunks_changes_nothing(size: int, database: str) -> None:
    ends = ["2024-03-20", "2024-05-31", "2024-08-15", "2024-02-29", "2024-12-01", "2024-03-31", "2024-04-01"]
    alone = {
        number: Ledger(contract(SIX_HUNDRED, periods=(period("2024-01-08", end),))) for number, end in enumerate(ends)
    }
    store(*(Stored(number + 1, periods=each.inputs.periods) for number, each in alone.items()))

    for month in ("2024-01", "2024-02", "2024-03"):
        accrue(month, chunk_size=size)
    for each in alone.values():
        each.run("2024-01", "2024-03")

    assert {number: amounts(number + 1) for number in alone} == {
        number: each.amounts() for number, each in alone.items()
    }
