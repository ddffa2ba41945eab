"""The roll-forward by service, cohort, client and currency: each line ties out, and together they are the total."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlmodel import col

from steps.ledger.accrual import ClosedMonth, ContractAccrual
from steps.ledger.contract import Invoice
from steps.ledger.months import MonthWindow
from steps.ledger.movements import Movement
from steps.reports.export import as_json, grouped_sheet
from steps.reports.groups import SINCE_THE_CLOSE, GroupedRollForward, RollForwardBy, roll_forward_by
from steps.reports.roll_forward import MOVED, RollForward, chain
from steps.reports.spreadsheet import csv_text
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.accruals.reports.test_roll_forward import figures
from tracking.database import read_session, write_session

EVERY = pytest.mark.parametrize("by", RollForwardBy)


def report(by: RollForwardBy, start: str = "2024-01", end: str = "2024-04") -> GroupedRollForward:
    with read_session() as session:
        return roll_forward_by(session, MonthWindow(day(start), day(end)), by, SETTINGS)


def shown(found: GroupedRollForward) -> dict[str, str]:
    return {f"{each.group} {each.line.currency}": figures(each.line) for each in found.lines}


@pytest.fixture
def academy(database: str) -> Books:
    """Ana and Bob learn Web, Cleo and Dan Data, Dan in dollars; all but Dan are enrolled."""
    books = Books()
    web, data = books.service("Web", "70500001"), books.service("Data", "70500002")
    ana, bob = books.contract("Ana", service=web), books.contract("Bob", service=web)
    cleo, dan = books.contract("Cleo", service=data), books.contract("Dan", service=data, currency="USD")
    for contract in (ana, bob, cleo):
        books.period(contract, "2024-01-01", "2024-06-30")
    books.document(ana, "2023-12-10", "300.00")
    books.document(bob, "2024-01-10", "200.00")
    books.document(bob, "2024-02-10", "-50.00")
    books.document(cleo, "2024-03-10", "90.00")
    books.document(dan, "2024-03-10", "70.00", "USD")
    books.document(None, "2024-03-10", "1.00")
    for contract, month, amount in ((ana, "2024-01", "100.00"), (bob, "2024-02", "25.00"), (cleo, "2024-03", "90.00")):
        books.post(contract, month, amount)
    books.post(dan, "2024-03", "7.00")
    return books


def test_a_service_has_a_line_of_what_its_contracts_moved(academy: Books) -> None:
    found = report(RollForwardBy.SERVICE)

    assert shown(found) == {
        "70500001 Web EUR": "300.00 0.00 200.00 50.00 125.00 325.00",
        "70500002 Data EUR": "0.00 0.00 90.00 0.00 90.00 0.00",
        "70500002 Data USD": "0.00 0.00 70.00 0.00 7.00 63.00",
    }
    assert [figures(each) for each in found.totals] == [
        "300.00 0.00 290.00 50.00 215.00 325.00",
        "0.00 0.00 70.00 0.00 7.00 63.00",
    ]


def test_clients_and_cohorts_have_lines_too(academy: Books) -> None:
    assert list(shown(report(RollForwardBy.CLIENT, "2024-02"))) == [
        "Ana <ana@example.org> EUR",
        "Bob <bob@example.org> EUR",
        "Cleo <cleo@example.org> EUR",
        "Dan <dan@example.org> USD",
    ]
    assert shown(report(RollForwardBy.COHORT))["no enrollment USD"] == "0.00 0.00 70.00 0.00 7.00 63.00"
    assert shown(report(RollForwardBy.COHORT))["cohort-1 EUR"] == "300.00 0.00 0.00 0.00 100.00 200.00"


@EVERY
def test_each_line_and_all_together_tie_out(academy: Books, by: RollForwardBy) -> None:
    found = report(by)

    assert found.ties_out
    assert all(not found.rest(total).deferred_or_earned for total in found.totals)
    assert as_json(found)["ties_out"] is True


@EVERY
def test_what_changed_after_a_close_is_told_and_all_ties_out(academy: Books, by: RollForwardBy) -> None:
    academy.close("2023-12", "2024-01", "2024-02")
    academy.document(2, "2024-01-20", "8.00")

    for start, end in (("2024-01", "2024-04"), ("2024-02", "2024-03"), ("2024-03", "2024-04")):
        found = report(by, start, end)
        assert found.ties_out, (start, end)
        kept = by in {RollForwardBy.SERVICE, RollForwardBy.CURRENCY}
        assert (f"{SINCE_THE_CLOSE} EUR" in shown(found)) != kept
    if by is RollForwardBy.SERVICE:
        assert shown(report(by, "2024-03"))["70500001 Web EUR"] == "325.00 8.00 0.00 0.00 0.00 333.00"


def test_a_close_of_an_older_version_kept_no_services(academy: Books) -> None:
    academy.close("2023-12", "2024-01")
    with write_session() as session:
        for close in session.scalars(select(ClosedMonth)):
            close.roll_forward = {key: value for key, value in close.roll_forward.items() if key != "services"}
    academy.document(2, "2024-01-20", "8.00")

    found = report(RollForwardBy.SERVICE, "2024-01", "2024-03")

    assert found.ties_out
    assert shown(found)[f"{SINCE_THE_CLOSE} EUR"] == "0.00 8.00 -8.00 0.00 0.00 0.00"


def test_a_group_that_lacks_an_amount_does_not_tie_out(academy: Books) -> None:
    found = report(RollForwardBy.CLIENT)
    lost = GroupedRollForward(found.window, found.by, found.lines[1:], found.total)

    assert not lost.ties_out
    assert str(lost.rest(lost.totals[0]).closing) == "200.00"


def test_the_file_has_a_line_for_each_and_totals(academy: Books) -> None:
    text = csv_text(grouped_sheet(report(RollForwardBy.SERVICE))).splitlines()

    columns = "opening,brought_forward,late,invoiced,credited,accrued,adjusted,closing,difference"
    assert text[0] == f"service,currency,{columns}"
    assert text[4] == "Total,EUR,300.00,0.00,0.00,290.00,50.00,215.00,0.00,325.00,0.00"


def test_a_state_that_says_something_else_does_not_tie_out(academy: Books) -> None:
    with write_session() as session:
        remaining = update(ContractAccrual).where(col(ContractAccrual.contract_id) == 2)
        session.execute(remaining.values(remaining_amount_to_accrue=Decimal("124.99")))

    found = report(RollForwardBy.CURRENCY).total

    assert not found.ties_out
    (state,) = found.tie_out.differences
    assert (state.contract_id, str(state.documents), str(state.posted)) == (2, "150.00", "25.00")
    assert state.remaining == Decimal("124.99")


def test_a_document_that_the_accruals_never_saw_does_not_tie_out_until_the_next_ones(academy: Books) -> None:
    academy.document(academy.contract("Eva"), "2024-02-28", "9.00")
    academy.document(academy.contract("Fay"), "2024-04-28", "9.00")

    (state,) = report(RollForwardBy.CURRENCY).total.tie_out.differences
    assert (state.contract_id, state.remaining) == (5, None)


def test_an_edited_document_does_not_tie_out(academy: Books) -> None:
    with write_session() as session:
        session.execute(update(Invoice).where(col(Invoice.id) == 1).values(net_amount=Decimal("299.99")))

    assert not report(RollForwardBy.SERVICE).ties_out


def test_months_that_were_never_accrued_are_named(academy: Books) -> None:
    academy.accrued("2024-05")

    states = report(RollForwardBy.CURRENCY, "2023-10", "2024-07").total.tie_out

    assert states.accrued_to == day("2024-05")
    assert [f"{month:%Y-%m}" for month in states.never_accrued] == ["2023-12", "2024-04", "2024-06"]
    assert report(RollForwardBy.CURRENCY, "2090-01", "2090-03").total.tie_out.never_accrued == ()


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from("ab"),
        st.integers(1, 4),
        st.sampled_from(["invoiced", "credited", "accrued", "adjusted"]),
        st.integers(-(10**6), 10**6),
    ),
    max_size=25,
)
"""Before which close, of which service, in which month, what, and how many cents."""


@given(EVENTS)
def test_services_add_up_to_the_roll_forward_whatever_comes_late(events: list[tuple[int, str, int, str, int]]) -> None:
    found: dict[str, dict[tuple[date, str], Movement]] = {"a": {}, "b": {}, "all": {}}
    kept: dict[str, dict[date, RollForward | None]] = {"a": {}, "b": {}, "all": {}}
    months = MonthWindow(day("2024-01"), day("2024-05"))
    for now in range(1, 5):
        for at, service, number, name, cents in events:
            if at == now:
                month = date(2024, max(number, now) if name in {"accrued", "adjusted"} else number, 1)
                for of in (service, "all"):
                    movement = found[of].setdefault((month, "EUR"), Movement())
                    setattr(movement, name, getattr(movement, name) + Decimal(cents).scaleb(-2))
        chains = {name: chain(movements, kept[name], months) for name, movements in found.items()}

        for number, total in enumerate(chains["all"].months):
            lines = [chains[service].months[number].line("EUR") for service in "ab"]
            assert all(line.difference == 0 for line in (*lines, total.line("EUR")))
            for name in MOVED:
                assert sum(getattr(line, name) for line in lines) == getattr(total.line("EUR"), name)
        for name, made in chains.items():
            kept[name][date(2024, now, 1)] = replace(made.months[now - 1], closed=True)
