"""Journal entries: deferred revenue to revenue, or back, and always balanced."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steps.errors import ConfigError
from steps.reports.export import journal_sheet
from steps.reports.journal import DEFERRED_NAME, EntryKind, Journal, journal
from steps.reports.roll_forward import roll_forward
from steps.settings import SyncSettings
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import SETTINGS, Books
from tracking.database import read_session


def march() -> Journal:
    with read_session() as session:
        return journal(session, day("2024-03"), SETTINGS)


def entries(report: Journal) -> list[tuple[int, str, str, str, str]]:
    """Entry, currency, account, debit and credit of each line."""
    return [
        (line.entry, line.currency, line.account.number, str(line.debit), str(line.credit)) for line in report.lines
    ]


def test_what_was_earned_goes_from_deferred_revenue_to_the_services_account(database: str) -> None:
    books = Books()
    web, data = books.service("Web", "70500001"), books.service("Data", "70500002")
    books.post(books.contract("Ana", service=web), "2024-03", "100.10")
    books.post(books.contract("Bob", service=web), "2024-03", "0.90")
    books.post(books.contract("Cleo", service=data), "2024-03", "5.00")
    books.post(books.contract("Dan", service=data), "2024-02", "77.00")

    report = march()

    assert entries(report) == [
        (1, "EUR", "48500000", "101.00", "0.00"),
        (1, "EUR", "70500001", "0.00", "101.00"),
        (2, "EUR", "48500000", "5.00", "0.00"),
        (2, "EUR", "70500002", "0.00", "5.00"),
    ]
    assert {line.day for line in report.lines} == {day("2024-03-31")}
    assert report.lines[1].text == "Accrued revenue 2024-03, Web"
    assert report.totals == {"EUR": (Decimal("106.00"), Decimal("106.00"))}


def test_more_taken_back_than_accrued_is_an_entry_the_other_way(database: str) -> None:
    books = Books()
    web = books.service("Web")
    books.post(books.contract("Ana", service=web), "2024-03", "10.00")
    books.post(books.contract("Bob", service=web), "2024-03", "-30.00")

    assert entries(march()) == [
        (1, "EUR", "70500001", "20.00", "0.00"),
        (1, "EUR", "48500000", "0.00", "20.00"),
    ]


def test_what_was_invoiced_less_credited_is_deferred(database: str) -> None:
    books = Books()
    web, data = books.service("Web", "70500001"), books.service("Data", "70500002")
    ana, bob = books.contract("Ana", service=web), books.contract("Bob", service=data)
    books.document(ana, "2024-03-10", "500.00")
    books.document(ana, "2024-03-20", "-120.00")
    books.document(bob, "2024-03-20", "-7.00")
    books.document(bob, "2024-04-01", "99.00")
    books.document(None, "2024-03-01", "11.00")
    books.post(ana, "2024-03", "80.00")

    assert entries(march()) == [
        (1, "EUR", "70500001", "380.00", "0.00"),
        (1, "EUR", "48500000", "0.00", "380.00"),
        (2, "EUR", "48500000", "80.00", "0.00"),
        (2, "EUR", "70500001", "0.00", "80.00"),
        (3, "EUR", "48500000", "7.00", "0.00"),
        (3, "EUR", "70500002", "0.00", "7.00"),
    ]
    assert [line.kind for line in march().lines[::2]] == [EntryKind.DEFERRAL, EntryKind.RELEASE, EntryKind.DEFERRAL]


def test_a_closed_month_keeps_its_entries_and_what_came_late_is_booked_in_the_next(database: str) -> None:
    books = Books()
    ana = books.contract("Ana")
    document = books.document(ana, "2024-02-10", "300.00")
    books.post(ana, "2024-02", "100.00")
    with read_session() as session:
        before = journal(session, day("2024-02"), SETTINGS)
    books.close("2024-02")
    books.void(document)
    books.document(ana, "2024-02-11", "260.00")
    books.document(books.contract("Bob"), "2024-01-31", "5.00")

    with read_session() as session:
        assert journal(session, day("2024-02"), SETTINGS) == before
    assert [(line.kind, line.account.name, str(line.debit), str(line.credit)) for line in march().lines] == [
        (EntryKind.LATE, DEFERRED_NAME, "40.00", "0.00"),
        (EntryKind.LATE, "Course of Ana", "0.00", "40.00"),
        (EntryKind.LATE, "Course of Bob", "5.00", "0.00"),
        (EntryKind.LATE, DEFERRED_NAME, "0.00", "5.00"),
    ]


def test_the_deferred_account_moves_by_what_the_roll_forward_moves(database: str) -> None:
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.00")
    books.post(ana, "2024-02", "100.00")
    books.close("2024-01", "2024-02")
    books.document(ana, "2024-02-20", "50.00")
    books.document(ana, "2024-03-20", "-20.00")
    books.post(ana, "2024-03", "30.00")

    with read_session() as session:
        line = roll_forward(session, day("2024-03"), SETTINGS).line("EUR")
    deferred = [each for each in march().lines if each.account.name == DEFERRED_NAME]
    assert sum(each.credit - each.debit for each in deferred) == line.closing - line.opening == Decimal("0.00")


def test_the_deferred_account_is_a_setting(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books()
    books.post(books.contract("Ana"), "2024-03", "1.00")
    monkeypatch.setenv("SYNC_DEFERRED_ACCOUNT", "48510001")

    with read_session() as session:
        assert journal(session, day("2024-03"), SyncSettings.load()).lines[0].account.number == "48510001"
    monkeypatch.setenv("SYNC_DEFERRED_ACCOUNT", "485")
    with pytest.raises(ConfigError, match="an account of eight digits"):
        SyncSettings.load()


def test_each_currency_has_entries_and_totals_of_its_own(database: str) -> None:
    books = Books()
    web = books.service("Web")
    books.post(books.contract("Ana", service=web), "2024-03", "100.00")
    books.post(books.contract("Bob", service=web, currency="USD"), "2024-03", "3.00")

    report = march()

    assert report.totals == {"EUR": (Decimal("100.00"),) * 2, "USD": (Decimal("3.00"),) * 2}
    assert journal_sheet([report]).totals == (
        ("Total 2024-03", None, "", "", "", "", "EUR", Decimal("100.00"), Decimal("100.00")),
        ("Total 2024-03", None, "", "", "", "", "USD", Decimal("3.00"), Decimal("3.00")),
    )


def test_a_service_without_an_account_number_is_named_by_its_id(database: str) -> None:
    books = Books()
    books.post(books.contract("Ana", service=books.service("Web", None)), "2024-03", "1.00")

    assert march().lines[1].account == ("account-Web", "Web")


def test_a_month_without_postings_has_no_entry(database: str) -> None:
    assert march().lines == ()


CENTS = st.integers(-(10**9), 10**9)
"""Amounts of a few contracts each: earned, taken back, or nothing."""


@pytest.mark.slow
@given(st.lists(CENTS, min_size=1, max_size=6))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_postings_balance_and_move_exactly_what_was_accrued(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, cents: list[int]
) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('books') / 'sync.db'}")
    books = Books()
    web = books.service("Web")
    amounts = [Decimal(each).scaleb(-2) for each in cents]
    for number, amount in enumerate(amounts):
        books.post(books.contract(f"Client {number}", service=web), "2024-03", str(amount))

    report = march()

    assert report.balanced
    assert all(line.debit >= 0 and line.credit >= 0 for line in report.lines)
    earned = sum((line.credit - line.debit for line in report.lines if line.account.name == "Web"), Decimal(0))
    assert earned == sum(amounts, Decimal(0))
