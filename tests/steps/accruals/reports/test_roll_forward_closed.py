"""A closed month keeps its roll-forward; what comes late for it is a line of the first open month."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import col

from steps.ledger.accrual import AccruedPeriod
from steps.ledger.contract import Invoice
from steps.ledger.months import MonthWindow
from steps.ledger.movements import Movement
from steps.reports.roll_forward import RollForward, chain, from_json, roll_forward, roll_forwards, to_json
from tests.steps.accruals import strategies
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.accruals.reports.test_roll_forward import figures, line
from tracking.database import read_session, write_session


def closed_january() -> tuple[Books, int, int]:
    """300.00 invoiced and 100.00 accrued in January, which is closed; the contract and the document."""
    books = Books()
    ana = books.contract("Ana")
    document = books.document(ana, "2024-01-10", "300.00")
    books.post(ana, "2024-01", "100.00")
    books.close("2024-01")
    return books, ana, document


def test_a_document_that_arrives_late_is_a_line_of_the_first_open_month(database: str) -> None:
    books, ana, _ = closed_january()
    books.document(ana, "2024-01-31", "50.00")
    books.document(ana, "2024-02-01", "7.00")

    assert figures(line("2024-01")) == "0.00 0.00 300.00 0.00 100.00 200.00"
    assert figures(line("2024-02")) == "200.00 50.00 7.00 0.00 0.00 257.00"
    assert figures(line("2024-03")) == "257.00 0.00 0.00 0.00 0.00 257.00"


def test_a_document_of_a_closed_month_that_became_void_or_changed_is_taken_out_late(database: str) -> None:
    books, ana, document = closed_january()
    books.void(document)
    assert figures(line("2024-02")) == "200.00 -300.00 0.00 0.00 0.00 -100.00"

    with write_session() as session:
        session.execute(
            update(Invoice).where(col(Invoice.id) == document).values(voided_at=None, net_amount=Decimal("299.50"))
        )

    assert figures(line("2024-02")) == "200.00 -0.50 0.00 0.00 0.00 199.50"
    books.post(ana, "2024-02", "199.50")
    assert figures(line("2024-02")) == "200.00 -0.50 0.00 0.00 199.50 0.00"


def test_a_currency_that_only_came_late_opens_with_nothing(database: str) -> None:
    books, _, _ = closed_january()
    books.document(books.contract("Bob", currency="USD"), "2024-01-20", "10.00", "USD")

    assert figures(line("2024-02", "USD")) == "0.00 10.00 0.00 0.00 0.00 10.00"
    assert figures(line("2024-01", "USD")) == "0.00 0.00 0.00 0.00 0.00 0.00"


def test_what_came_late_is_stored_with_the_next_closing_and_does_not_come_again(database: str) -> None:
    books, ana, _ = closed_january()
    books.document(ana, "2024-01-31", "50.00")
    books.close("2024-02")

    assert figures(line("2024-02")) == "200.00 50.00 0.00 0.00 0.00 250.00"
    assert figures(line("2024-03")) == "250.00 0.00 0.00 0.00 0.00 250.00"


def test_a_month_in_which_nothing_was_is_closed_with_the_next_one(database: str) -> None:
    books, ana, _ = closed_january()
    books.document(ana, "2024-03-10", "9.00")
    books.close("2024-03")
    books.document(ana, "2024-02-10", "5.00")

    with read_session() as session:
        february = roll_forward(session, day("2024-02"), SETTINGS)

    assert february.closed
    assert figures(february.line("EUR")) == "200.00 0.00 0.00 0.00 0.00 200.00"
    assert figures(line("2024-04")) == "209.00 5.00 0.00 0.00 0.00 214.00"


def test_a_posting_that_was_changed_behind_a_closed_month_shows_as_a_difference(database: str) -> None:
    closed_january()
    with write_session() as session:
        session.execute(update(AccruedPeriod).values(accrued_amount=Decimal("99.99")))

    found = line("2024-02")

    assert found.difference == Decimal("-0.01")
    with read_session() as session:
        year = roll_forwards(session, MonthWindow(day("2024-01"), day("2025-01")), SETTINGS)
    assert not year.ties_out


CENTS = st.integers(0, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
MOVEMENTS = st.dictionaries(
    st.tuples(st.integers(1, 12).map(lambda month: date(2024, month, 1)), st.sampled_from(["EUR", "USD", "GBP"])),
    st.builds(Movement, CENTS, CENTS, CENTS, CENTS, CENTS),
    max_size=20,
)
YEAR = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))


@strategies.patient
@given(MOVEMENTS, st.lists(st.tuples(st.integers(1, 12), MOVEMENTS), max_size=3))
def test_roll_forwards_of_any_ledger_chain_and_tie_out(
    movements: dict[tuple[date, str], Movement], closings: list[tuple[int, dict[tuple[date, str], Movement]]]
) -> None:
    """Whatever is closed when, and whatever documents come late: nothing gets lost between two months."""
    stored: dict[date, RollForward] = {}
    for upto, late in closings:
        before = chain(movements, stored, YEAR)
        for month in before.months[:upto]:
            stored.setdefault(month.month, from_json(to_json(RollForward(month.month, closed=True, lines=month.lines))))
        movements = _with(movements, late, max(stored))

    year = chain(movements, stored, YEAR)

    assert year.ties_out
    for earlier, later in zip(year.months, year.months[1:], strict=False):
        for currency in year.currencies:
            assert later.line(currency).opening == earlier.line(currency).closing
    for month in year.months:
        assert stored.get(month.month, month) == month
    for currency in year.currencies:
        everything = [each for (_, of), each in movements.items() if of == currency]
        left = sum((each.documents - each.posted for each in everything), Decimal(0))
        if date(2024, 12, 1) not in stored:
            assert year.summary(currency).closing == left


def _with(
    movements: dict[tuple[date, str], Movement], late: dict[tuple[date, str], Movement], closed: date
) -> dict[tuple[date, str], Movement]:
    """Documents may come for any month, postings only for open ones."""
    merged = dict(movements)
    for key, more in late.items():
        known = merged.get(key, Movement())
        new = more if key[0] > closed else Movement()
        accrued, adjusted = known.accrued + new.accrued, known.adjusted + new.adjusted
        invoiced, credited = known.invoiced + more.invoiced, known.credited + more.credited
        merged[key] = Movement(invoiced, credited, accrued, adjusted=adjusted)
    return merged
