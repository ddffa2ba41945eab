"""From a posted amount back to its rule, its sessions, its documents and the executions that brought them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlmodel import col

from steps.errors import UsageError
from steps.ledger.accrual import AccruedPeriod
from steps.ledger.months import MonthWindow
from steps.ledger.service import Service, ServicePeriod
from steps.reports.explain import Explanation, explain
from steps.reports.export import as_json
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tests.steps.calls import accrue_month
from tests.steps.ledger_view import rows
from tracking.database import read_session, write_session


def explained(contract: int, month: str) -> Explanation:
    with read_session() as session:
        return explain(session, contract, day(month), SETTINGS)


def accrue(*months: str) -> None:
    for month in months:
        accrue_month(MonthWindow.of(day(month)), LATER)


def course() -> tuple[Books, int]:
    """600.00 in two documents for 8 January to 30 June 2024; February's import ran three times, and failed once."""
    books = Books()
    ana = books.contract("Ana", begun="2024-01-08")
    books.period(ana, "2024-01-08", "2024-06-30")
    books.document(ana, "2024-01-08", "650.00")
    books.document(ana, "2024-02-10", "-50.00")
    books.document(ana, "2024-04-10", "1.00")
    books.executed("invoices", "2024-01")
    books.executed("invoices", "2024-02")
    books.executed("invoices", "2024-02", "failed")
    books.executed("invoices", "2024-02")
    books.executed("crm-clients", "2024-02")
    return books, ana


def test_a_posting_leads_back_to_its_rule_and_its_calculation(database: str) -> None:
    _, ana = course()
    accrue("2024-01", "2024-02", "2024-03")

    found = explained(ana, "2024-02")

    assert found.rule is not None
    assert (found.rule.row, found.rule.condition) == (11, "days in force")
    assert found.calculation is not None
    before = explained(ana, "2024-01").posted
    assert found.calculation.total == Decimal("600.00")
    assert found.calculation.accrued_before == before
    assert found.calculation.remaining == 600 - before
    assert found.calculation.amount == found.posted == found.postings[0].amount
    assert found.postings[0].period == "cohort-1"
    assert not found.changed_since
    assert found.notifications == ()


def test_the_sessions_are_told_day_by_day_with_the_period_that_owns_them(database: str) -> None:
    _, ana = course()
    accrue("2024-01")

    calculation = explained(ana, "2024-01").calculation

    assert calculation is not None
    assert [each.day.day for each in calculation.days] == list(range(8, 32))
    assert sum(each.sessions for each in calculation.days) == calculation.sessions_in_month
    assert {each.period for each in calculation.days} == {"cohort-1"}
    assert calculation.sessions_remaining == 60


def test_each_document_names_the_latest_completed_import_of_its_month(database: str) -> None:
    _, ana = course()

    documents = explained(ana, "2024-02").documents

    moment = datetime(2024, 12, 1, 12, tzinfo=UTC)
    assert [(d.number, str(d.amount), d.execution_id, d.imported_at) for d in documents] == [
        ("D001", "650.00", 1, moment),
        ("D002", "-50.00", 4, moment),
    ]
    late = explained(ana, "2024-04").documents[-1]
    assert (late.number, late.execution_id, late.imported_at) == ("D003", None, None)


def test_a_void_document_is_no_reason_for_anything(database: str) -> None:
    books, ana = course()
    books.void(books.document(ana, "2024-02-11", "5.00"))

    assert len(explained(ana, "2024-02").documents) == 2


def test_what_changed_after_the_posting_is_said(database: str) -> None:
    books, ana = course()
    accrue("2024-01")
    books.document(ana, "2024-01-30", "100.00")
    with write_session() as session:
        session.execute(update(ServicePeriod).values(status="DROPPED", status_change_date=day("2024-01-31")))

    found = explained(ana, "2024-01")

    assert found.changed_since
    assert found.changes == (
        "a document of 2024-01-30 over 100.00 counts now",
        "period cohort-1, status: ACTIVE then, DROPPED now",
        "period cohort-1, status_change_date: none then, 2024-01-31 now",
    )
    assert found.worked_out is not None
    assert found.worked_out.total == Decimal("650.00")


def test_the_formula_of_a_month_can_be_redone_by_hand(database: str) -> None:
    books = Books()
    ana = books.contract("Ana", begun="2025-05-02")
    books.period(ana, "2025-05-12", "2025-08-27")
    books.document(ana, "2025-05-02", "500.00")
    with write_session() as session:
        session.execute(update(Service).values(class_weekdays=[0, 2]))
    accrue("2025-05", "2025-06", "2025-07", "2025-08")

    assert {str(each["worked_out"]["documents"]) for each in rows(AccruedPeriod)} == {"[['2025-05-02', '500.00']]"}
    assert explained(ana, "2025-05").formula == ("500.00 x 6 / 32 = 93.75",)
    assert explained(ana, "2025-06").formula == ("406.25 x 9 / 26 = 140.63",)
    assert explained(ana, "2025-08").formula == ("125.00 x 8 / 8 = 125.00",)
    assert explained(ana, "2025-08").changes == ()


def test_a_posting_of_two_periods_tells_each_amount_and_the_last_all_that_remains(database: str) -> None:
    books = Books()
    ana = books.contract("Ana", begun="2024-01-02")
    books.document(ana, "2024-01-02", "1000.00")
    first = books.period(ana, "2024-01-01", "2024-01-20")
    with write_session() as session:
        session.execute(update(ServicePeriod).where(col(ServicePeriod.id) == first).values(external_id="before"))
    books.period(ana, "2024-01-21", "2024-03-31", "DROPPED", "2024-02-10")
    accrue("2024-01", "2024-02")

    january, february = explained(ana, "2024-01"), explained(ana, "2024-02")

    assert january.formula == ("1000.00 x 9 / 39 = 230.77", "1000.00 x (9 + 5) / 39 - 230.77 = 128.20")
    assert february.formula == ("all that remains: 1000.00 - 358.97 = 641.03",)


def test_of_an_older_posting_nothing_was_kept(database: str) -> None:
    _, ana = course()
    accrue("2024-01")
    with write_session() as session:
        session.execute(update(AccruedPeriod).values(worked_out=None))

    found = explained(ana, "2024-01")

    assert (found.worked_out, found.formula, found.changes) == (None, (), ())
    assert found.by_rule


def test_a_contract_that_cannot_be_processed_any_more_says_so_as_a_change(database: str) -> None:
    _, ana = course()
    accrue("2024-01")
    with write_session() as session:
        session.execute(update(ServicePeriod).values(end_date=day("2023-01-01")))

    found = explained(ana, "2024-01")

    assert found.formula
    assert "ends on 2023-01-01, before it starts" in found.changes[0]


def test_a_month_without_a_posting_says_why_and_what_a_person_was_told(database: str) -> None:
    books = Books()
    bob = books.contract("Bob")
    books.period(bob, "2023-09-01", "2023-12-31")
    books.document(bob, "2024-01-01", "80.00")
    accrue("2024-01")

    found = explained(bob, "2024-01")

    assert found.postings == ()
    assert found.rule is not None
    assert found.rule.row == 12
    assert "period_over_but_active: period cohort-1 ended on 2023-12-31" in found.notifications[0]


def test_a_month_before_a_decided_one_says_what_it_would_have_been_and_that_it_is_locked(database: str) -> None:
    books, ana = course()
    accrue("2024-02")

    found = explained(ana, "2024-01")

    assert found.rule is not None
    assert found.rule.row == 11
    assert any(line.startswith("past_month_locked: 2024-01 comes before") for line in found.notifications)
    books.close("2024-01", "2024-02")
    assert explained(ana, "2024-01").closed


def test_a_contract_with_bad_data_says_so(database: str) -> None:
    books = Books()
    bob = books.contract("Bob")
    books.period(bob, "2024-06-01", "2024-01-01")
    books.document(bob, "2024-01-01", "80.00")

    found = explained(bob, "2024-01")

    assert (found.rule, found.calculation) == (None, None)
    assert "ends on 2024-01-01, before it starts on 2024-06-01" in found.notifications[0]


def test_a_month_before_the_contract_began_is_row_1(database: str) -> None:
    _, ana = course()

    found = explained(ana, "2023-12")

    assert found.rule is not None
    assert found.rule.row == 1
    assert found.documents == ()


def test_a_contract_that_is_none_is_refused(database: str) -> None:
    with pytest.raises(UsageError, match="there is no contract 99"):
        explained(99, "2024-01")


def test_an_explanation_is_plain_json(database: str) -> None:
    _, ana = course()
    accrue("2024-01")

    answer = as_json(explained(ana, "2024-01"))

    assert answer["contract"]["client"] == "Ana"
    assert answer["rule"] == {"row": 11, "condition": "days in force", "outcome": "posted"}
    assert answer["posted"] == answer["postings"][0]["amount"]
    assert answer["documents"][0]["day"] == "2024-01-08"
    assert answer["documents"][0]["imported_at"].startswith("2024-12-01T12:00:00")
