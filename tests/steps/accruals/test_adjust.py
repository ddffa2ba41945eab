"""A person adjusts what was accrued: it is posted in the first open month, and the table goes on with what remains."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.catalog import ACCRUALS
from steps.closing import Signature, verify
from steps.corrections import Adjusted, Adjustment, adjust, parse_adjustment
from steps.engine.sessions import PeriodInputs
from steps.errors import UsageError
from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.months import MonthWindow
from steps.reports.explain import explain
from steps.reports.export import monthly_sheet, roll_forward_sheet
from steps.reports.monthly import monthly_accruals
from steps.reports.roll_forward import roll_forwards
from steps.reports.spreadsheet import csv_text
from steps.settings import AccrualMethod
from tests.new_database import NewDatabase, on_both_databases
from tests.steps.accruals.builders import day, document, period
from tests.steps.accruals.database_ledger import (
    DROPPED,
    Stored,
    accrue,
    accrue_months,
    add_document,
    contract_statuses,
    execute,
    snapshot,
    states,
    store,
)
from tests.steps.accruals.recorded_imports import executed, sound_import
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tests.steps.ledger_view import rows
from tracking.database import read_session

EVA = Signature("Eva", "sessions were taught twice")
FIRST_HALF = tuple(f"2024-{number:02}" for number in range(1, 7))


def adjusted(amount: str, *, corrects: str | None = None, contract: int = 1, preview: bool = False) -> Adjusted:
    asked = Adjustment(contract, Decimal(amount), day(corrects) if corrects else None)
    return adjust(asked, EVA, LATER, preview=preview)


def postings(contract: int = 1) -> list[tuple[str, str, str]]:
    """Month, amount and rule, in order of posting."""
    ids = {row["id"]: row["contract_id"] for row in rows(ContractAccrual)}
    own = [row for row in rows(AccruedPeriod) if ids[row["contract_accrual_id"]] == contract]
    return [(f"{row['accrual_date']:%Y-%m}", str(row["accrued_amount"]), row["rule"]) for row in own]


def test_what_is_given_back_is_spread_from_the_first_open_month_on(ledger: None) -> None:
    """600.00 for 60 sessions; 180.00 are accrued for 18 of them when 50.00 are given back: 470.00 for the other 42."""
    accrue_months("2024-01", "2024-02")
    Books().close("2024-01", "2024-02")

    done = adjusted("-50.00", corrects="2024-01")
    accrue_months("2024-03", "2024-04")

    assert (done.month, done.currency, done.remaining_before, done.remaining, done.reopened) == (
        day("2024-03"),
        "EUR",
        Decimal("420.00"),
        Decimal("470.00"),
        False,
    )
    assert postings()[2] == ("2024-03", "-50.00", "adjustment")
    march = (Decimal("470.00") * 11 / 42).quantize(Decimal("0.01"))
    assert postings()[3] == ("2024-03", str(march), "row-11")
    accrue_months("2024-05", "2024-06")
    assert states()[1] == ("600.00", "600.00", "0.00", "COMPLETED")


def test_the_posting_has_who_when_why_and_the_month_it_corrects(ledger: None) -> None:
    accrue_months("2024-01")
    Books().close("2024-01")

    adjusted("12.30", corrects="2024-01")

    row = rows(AccruedPeriod)[-1]
    assert (row["made_by"], row["reason"], row["corrects"]) == ("Eva", EVA.reason, day("2024-01"))
    assert row["made_at"].tzinfo is not None
    assert (row["currency"], row["service_period_id"], row["sessions_accrued"]) == ("EUR", None, 0)


def test_a_contract_that_was_over_is_reopened_and_ends_again_by_the_table(database: str) -> None:
    store(Stored(periods=(DROPPED,)))
    accrue_months(*FIRST_HALF)
    Books().close(*FIRST_HALF)
    assert (states()[1][3], contract_statuses()) == ("COMPLETED", {1: "CANCELED"})

    done = adjusted("-60.00")

    assert (done.month, done.reopened) == (day("2024-07"), True)
    assert (states()[1], contract_statuses()) == (("600.00", "540.00", "60.00", "ACTIVE"), {1: "ACTIVE"})
    accrue("2024-07")
    assert postings()[-2:] == [("2024-07", "-60.00", "adjustment"), ("2024-07", "60.00", "row-8")]
    assert (states()[1][3], contract_statuses()) == ("COMPLETED", {1: "CANCELED"})


def test_several_adjustments_of_a_month_stand_beside_its_posting_and_a_second_run_changes_nothing(ledger: None) -> None:
    accrue_months("2024-01", "2024-02")
    Books().close("2024-01")
    adjusted("-10.00")
    adjusted("-10.00")
    adjusted("5.00")
    before = snapshot()

    again = accrue("2024-02")

    assert again["summary"]["skipped_accruals"] == 1
    assert snapshot() == before
    assert [each for each in postings() if each[0] == "2024-02"][1:] == [
        ("2024-02", "-10.00", "adjustment"),
        ("2024-02", "-10.00", "adjustment"),
        ("2024-02", "5.00", "adjustment"),
    ]
    march = accrue("2024-03")
    assert march["failures"] == []
    assert states()[1][1] == str(sum(Decimal(amount) for _, amount, _ in postings()))


def test_what_was_adjusted_too_much_is_taken_back_by_the_table(ledger: None) -> None:
    accrue_months(*FIRST_HALF)
    adjusted("1.00", corrects="2024-06")

    accrue("2024-07")

    assert postings()[-1] == ("2024-07", "-1.00", "row-5")


@pytest.mark.parametrize(
    ("closed", "corrects", "expected"),
    [
        ((), None, "2024-01"),
        ((), "2024-02", "2024-02"),
        (("2024-01",), None, "2024-02"),
        (("2024-01", "2024-02"), "2024-01", "2024-03"),
        (("2024-01",), "2024-03", "2024-03"),
    ],
)
def test_it_is_posted_in_the_first_open_month_that_is_not_before_what_it_corrects(
    ledger: None, closed: tuple[str, ...], corrects: str | None, expected: str
) -> None:
    accrue_months("2024-01", "2024-02")
    Books().close(*closed)

    assert adjusted("1.00", corrects=corrects).month == day(expected)


def test_a_preview_says_the_same_and_writes_nothing(ledger: None) -> None:
    accrue_months("2024-01")
    before = snapshot()

    previewed = adjusted("-20.00", preview=True)

    assert snapshot() == before
    assert adjusted("-20.00") == previewed


REFUSALS: dict[str, tuple[Callable[[], object], str]] = {
    "no reason": (
        lambda: adjust(Adjustment(1, Decimal(1)), Signature("Eva", "  "), LATER),
        "an adjustment needs a reason",
    ),
    "no such contract": (lambda: adjusted("1.00", contract=7), "there is no contract 7"),
    "never accrued": (lambda: adjusted("1.00", contract=2), "contract 2 was never accrued"),
    "before it began": (lambda: adjusted("1.00", corrects="2023-12"), "nothing to correct in 2023-12: .* from 2024-01"),
    "a month to come": (lambda: adjusted("1.00", corrects="2026-02"), "nothing to correct in 2026-02: .* to 2026-01"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_makes_no_sense_is_refused_in_one_line_and_writes_nothing(ledger: None, refusal: str) -> None:
    accrue_months("2024-01")
    store(Stored(2, documents=(document("2024-06-10", "9.00"),)))
    before, (ask, said) = snapshot(), REFUSALS[refusal]

    with pytest.raises(UsageError, match=said):
        ask()

    assert snapshot() == before


@pytest.mark.parametrize("text", ["0", "0.00", "1.005", "NaN", "1e20", "1.234,56", "ten", "", "Infinity"])
def test_an_amount_that_is_no_money_is_refused_naming_it(text: str) -> None:
    with pytest.raises(UsageError, match="is not an amount to adjust by"):
        parse_adjustment(text)


def test_the_roll_forward_has_a_column_of_its_own_and_ties_out_over_closes(ledger: None) -> None:
    accrue_months("2024-01", "2024-02")
    Books().close("2024-01")
    adjusted("-50.00", corrects="2024-01")
    accrue("2024-03")
    Books().close("2024-02")

    with read_session() as session:
        report = roll_forwards(session, MonthWindow(day("2024-01"), day("2024-04")), SETTINGS)
        assert verify(session).difference is None

    february = report.months[1].line("EUR")
    assert (february.accrued, february.adjusted, february.closing) == (Decimal(100), Decimal(-50), Decimal(470))
    assert report.ties_out
    assert ",adjusted," in csv_text(roll_forward_sheet(report))


def test_month_by_month_it_is_a_row_of_its_own_and_explain_names_who_and_why(ledger: None) -> None:
    accrue_months("2024-01")
    adjusted("-50.00", corrects="2024-01")
    adjusted("-1.00", corrects="2024-01")

    with read_session() as session:
        sheet = csv_text(monthly_sheet(monthly_accruals(session, MonthWindow.of(day("2024-01")))))
        explained = explain(session, 1, day("2024-01"), SETTINGS)

    assert ",adjustment,EUR,-51.00,-51.00" in sheet
    assert [(each.reason, each.made_by) for each in explained.postings][1:] == [(EVA.reason, "Eva")] * 2
    assert (explained.posted, explained.rule and explained.rule.row) == (Decimal("29.00"), 11)


def test_an_adjustment_ends_the_notification_of_what_was_accrued_before_an_enrollment(database: str) -> None:
    store(Stored(periods=()))
    accrue_months("2024-01", "2024-02")
    Books().period(1, "2024-02-01", "2024-06-30")
    assert [note["type"] for note in accrue("2024-03")["notifications"]] == ["accrued_before_enrollment"]

    adjusted("-600.00", corrects="2024-02")

    assert accrue("2024-03")["notifications"] == []
    assert [rule for month, _, rule in postings() if month == "2024-03"] == ["row-11"]


def test_what_is_given_back_in_its_own_currency_lets_the_contract_go_on_in_the_other(ledger: None) -> None:
    accrue_months("2024-01", "2024-02")
    Books().close("2024-01", "2024-02")
    execute("UPDATE invoice SET currency = 'USD'")
    execute("UPDATE service_contract SET contract_currency = 'USD'")
    assert len(accrue("2024-03")["failures"]) == 1

    assert adjusted("-180.00", corrects="2024-01").currency == "EUR"
    march = accrue("2024-03")

    assert march["failures"] == []
    assert [row["currency"] for row in rows(AccruedPeriod)] == ["EUR", "EUR", "EUR", "USD"]
    with read_session() as session:
        report = roll_forwards(session, MonthWindow.of(day("2024-03")), SETTINGS)
    assert report.ties_out
    assert report.months[0].line("EUR").closing == Decimal(0)


NUMBERS = count()
CREDIT = Decimal("7.77")
COURSES = st.sampled_from(
    [
        period("2024-01-08", "2024-06-30"),
        DROPPED,
        period("2024-01-08", "2024-06-30", "POSTPONED", "2024-03-10"),
        period("2024-01-08", "2024-03-30", "ENDED", "2024-03-30"),
    ]
)
CENTS = st.integers(-30_000, 30_000).filter(bool).map(lambda cents: Decimal(cents).scaleb(-2))
EVENTS = st.lists(st.one_of(st.just("accrue"), st.just("accrue"), CENTS, st.just("credit")), max_size=12)


@pytest.mark.slow
@on_both_databases(examples=30)
def test_promise_1_holds_to_the_cent_whatever_is_adjusted_and_no_posting_changes(
    new_database: NewDatabase, examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accrued + remaining = invoiced - credited in every month; the roll-forward of all of them ties out."""

    @settings(max_examples=examples, deadline=None)
    @given(
        course=st.none() | COURSES, method=st.sampled_from(AccrualMethod), events=EVENTS, corrected=st.integers(0, 11)
    )
    def check(course: PeriodInputs | None, method: AccrualMethod, events: list[Any], corrected: int) -> None:
        new_database()
        monkeypatch.setenv("SYNC_ACCRUAL_METHOD", method)
        sound_import(MonthWindow(day("2024-01"), day("2025-01")))
        store(Stored(periods=(course,) if course else ()))
        month = _live(events, corrected)
        _require_promise_1(month, credited=events.count("credit") * CREDIT)

    check()


def _live(events: list[Any], corrected: int) -> date:
    """Accrue from January on, with the events between two months; nothing posted changes. Returns the last month."""
    accrue("2024-01")
    month, kept = date(2024, 2, 1), rows(AccruedPeriod)
    for event in events:
        if event == "accrue":
            assert accrue(f"{month:%Y-%m}")["failures"] == []
            month = MonthWindow.of(month).end
        elif event == "credit":
            add_document(1, f"{month:%Y-%m}-05", str(-CREDIT), external_id=f"note-{next(NUMBERS)}")
        else:
            adjusted(str(event), corrects=f"2024-{min(corrected, month.month - 1) + 1:02}")
        now = rows(AccruedPeriod)
        assert [each for each in now if each in kept] == kept
        kept = now
    accrue(f"{month:%Y-%m}")
    executed(ACCRUALS.id, MonthWindow.of(month))  # a month that posts nothing is known as accrued by that alone
    return month


def _require_promise_1(month: date, credited: Decimal) -> None:
    (total, accrued, remaining, _) = states()[1]
    assert Decimal(accrued) + Decimal(remaining) == Decimal(total) == Decimal(600) - credited
    assert sum(Decimal(amount) for _, amount, _ in postings()) == Decimal(accrued)
    with read_session() as session:
        report = roll_forwards(session, MonthWindow(day("2024-01"), MonthWindow.of(month).end), SETTINGS)
    assert report.ties_out
    assert report.months[-1].line("EUR").closing == Decimal(remaining)
