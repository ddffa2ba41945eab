"""Opening deferred + invoiced - credited - accrued = closing deferred, on a ledger small enough to do by hand."""

from decimal import Decimal

from steps.ledger.months import MonthWindow
from steps.reports.roll_forward import RollForwardLine, from_json, roll_forward, roll_forwards, to_json
from steps.settings import AccrualBasis, SyncSettings
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import SETTINGS, Books
from tracking.database import read_session


def figures(line: RollForwardLine) -> str:
    """A line in the order of the formula: opening, late, invoiced, credited, accrued, closing."""
    amounts = (line.opening, line.late, line.invoiced, line.credited, line.accrued, line.closing)
    return " ".join(map(str, amounts))


def line(month: str, currency: str = "EUR", settings: SyncSettings = SETTINGS) -> RollForwardLine:
    """One currency of a month, as the database has it."""
    with read_session() as session:
        return roll_forward(session, day(month), settings).line(currency)


def test_a_month_opens_with_what_the_one_before_closed_with(database: str) -> None:
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.00")
    books.post(ana, "2024-01", "100.10")
    books.document(ana, "2024-02-29", "50.00")
    books.document(ana, "2024-02-20", "-20.05")
    books.post(ana, "2024-02", "29.85")

    assert figures(line("2024-01")) == "0.00 0.00 300.00 0.00 100.10 199.90"
    assert figures(line("2024-02")) == "199.90 0.00 50.00 20.05 29.85 200.00"
    assert figures(line("2024-03")) == "200.00 0.00 0.00 0.00 0.00 200.00"
    assert figures(line("2023-12")) == "0.00 0.00 0.00 0.00 0.00 0.00"


def test_nothing_is_added_across_currencies(database: str) -> None:
    books = Books()
    ana, bob = books.contract("Ana"), books.contract("Bob", currency="USD")
    books.document(ana, "2024-01-10", "300.00")
    books.document(bob, "2024-01-10", "70.00", "USD")
    books.post(bob, "2024-01", "7.00")

    assert figures(line("2024-01", "EUR")) == "0.00 0.00 300.00 0.00 0.00 300.00"
    assert figures(line("2024-01", "USD")) == "0.00 0.00 70.00 0.00 7.00 63.00"


def test_a_void_document_counts_nowhere(database: str) -> None:
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.00")
    books.void(books.document(ana, "2024-01-11", "999.00"))

    assert figures(line("2024-01")) == "0.00 0.00 300.00 0.00 0.00 300.00"


def test_documents_without_a_contract_are_a_line_of_their_own(database: str) -> None:
    books = Books()
    books.document(None, "2024-01-10", "80.00")
    books.document(None, "2024-01-12", "-30.00")

    found = line("2024-01")

    assert figures(found) == "0.00 0.00 0.00 0.00 0.00 0.00"
    assert found.unlinked == Decimal("50.00")
    assert line("2024-02").unlinked == 0


def test_a_document_counts_net_or_total_by_setting(database: str) -> None:
    books = Books()
    books.document(books.contract("Ana"), "2024-01-10", "100.00", total="121.00")

    assert line("2024-01").invoiced == Decimal("100.00")
    assert line("2024-01", settings=SyncSettings(accrual_basis=AccrualBasis.TOTAL)).invoiced == Decimal("121.00")


def test_a_thousand_cents_and_the_largest_amount_add_up_exactly(database: str) -> None:
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "999999999999.99")
    books.document(ana, "2024-01-10", "-999999999999.89")
    for _ in range(10):
        books.document(ana, "2024-01-11", "0.01")

    assert str(line("2024-01").closing) == "0.20"


def test_a_year_is_a_chain_with_a_summary(database: str) -> None:
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2023-11-10", "40.00")
    books.document(ana, "2024-03-10", "300.00")
    books.document(ana, "2024-05-10", "-100.00")
    books.post(ana, "2024-04", "140.00")
    books.accrued("2024-05")

    with read_session() as session:
        year = roll_forwards(session, MonthWindow(day("2024-01"), day("2025-01")), SETTINGS)

    assert year.currencies == ("EUR",)
    assert figures(year.summary("EUR")) == "40.00 0.00 300.00 100.00 140.00 100.00"
    assert [str(month.line("EUR").closing) for month in year.months][2:6] == ["340.00", "200.00", "100.00", "100.00"]
    assert year.ties_out


def test_a_roll_forward_survives_being_stored(database: str) -> None:
    books = Books()
    books.document(books.contract("Ana"), "2024-01-10", "300.00")

    with read_session() as session:
        report = roll_forward(session, day("2024-01"), SETTINGS)

    assert from_json(to_json(report)) == report
