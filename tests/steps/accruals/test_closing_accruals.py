"""Closing and the accruals step together: a closed month stays as it is; what is late goes to the first open one."""

from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import col

from steps.closing import verify
from steps.ledger.accrual import AccruedPeriod
from steps.ledger.months import MonthWindow
from tests.steps.accruals.builders import day
from tests.steps.accruals.recorded_imports import sound_import
from tests.steps.accruals.reports.books import LATER, Books
from tests.steps.accruals.reports.test_roll_forward import figures, line
from tests.steps.calls import accrue_month
from tests.steps.ledger_view import rows
from tracking.database import read_session


def accrue(*months: str) -> list[dict[str, object]]:
    return [accrue_month(MonthWindow.of(day(month)), LATER) for month in months]


def amounts() -> dict[str, Decimal]:
    with read_session() as session:
        columns = col(AccruedPeriod.accrual_date), col(AccruedPeriod.accrued_amount)
        return {f"{month:%Y-%m}": amount for month, amount in session.execute(select(*columns))}


def course() -> tuple[Books, int]:
    """600.00 for the 182 days from January to June 2024, which were imported."""
    sound_import(MonthWindow(day("2024-01"), day("2024-07")))
    books = Books()
    ana = books.contract("Ana", begun="2024-01-02")
    books.period(ana, "2024-01-01", "2024-06-30")
    books.document(ana, "2024-01-02", "600.00")
    return books, ana


def test_a_closed_month_never_changes_when_accruals_are_run_again(database: str) -> None:
    books, ana = course()
    accrue("2024-01", "2024-02")
    books.close("2024-01", "2024-02")
    before = rows(AccruedPeriod)
    bob = books.contract("Bob", begun="2024-01-15")
    books.period(bob, "2024-01-15", "2024-03-31")
    books.document(bob, "2024-01-15", "90.00")
    books.document(ana, "2024-02-15", "60.00")

    results = accrue("2024-01", "2024-02")

    assert rows(AccruedPeriod) == before
    assert [result["amount_accrued"] for result in results] == ["0.00", "0.00"]
    notified = {note["type"] for result in results for note in result["notifications"]}  # type: ignore[attr-defined]
    assert notified == {"past_month_locked"}
    with read_session() as session:
        assert verify(session).difference is None


def test_what_came_late_lands_in_the_first_open_month(database: str) -> None:
    books, _ = course()
    accrue("2024-01")
    books.close("2024-01")
    bob = books.contract("Bob", begun="2024-01-10")
    books.period(bob, "2024-01-10", "2024-02-29")
    books.document(bob, "2024-01-10", "90.00")

    accrue("2024-01", "2024-02")

    assert figures(line("2024-01")) == f"0.00 0.00 600.00 0.00 {amounts()['2024-01']} {600 - amounts()['2024-01']}"
    february = line("2024-02")
    assert february.late == Decimal("90.00")
    assert february.difference == 0
    assert february.closing == 690 - line("2024-01").accrued - february.accrued
    assert february.accrued > Decimal("90.00")


def test_a_whole_course_is_closed_month_by_month_and_ends_at_zero(database: str) -> None:
    books, _ = course()
    for month in ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06"):
        accrue(month)
        books.close(month)

    assert line("2024-06").closing == 0
    assert sum(amounts().values()) == Decimal("600.00")
    assert max(amounts()) == "2024-06"
    assert date(2024, 7, 1) not in {row["accrual_date"] for row in rows(AccruedPeriod)}
