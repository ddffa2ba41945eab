"""A ledger that begins in mid-life takes deferred revenue by contract from a CSV (docs/opening-balances.md)."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from flows.cli.app import run_command
from steps.closing import Signature
from steps.context import StepContext
from steps.corrections import Adjustment, adjust
from steps.errors import UsageError
from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import Invoice, OpeningBalances, ServiceContract
from steps.ledger.months import MonthWindow, last_of_month, next_month
from steps.opening_balances import (
    BalanceFile,
    LoadedBalances,
    UnfitBalancesError,
    load_opening_balances,
    revert_opening_balances,
)
from steps.redo import AskedRedo
from steps.reports.roll_forward import roll_forwards
from steps.settings import AccrualMethod
from tests.steps.accruals.builders import day, period
from tests.steps.accruals.database_ledger import (
    LATER,
    YEARS,
    accrue,
    accrue_months,
    add_document,
    amounts,
    contract_statuses,
    redo_in_a_run,
    snapshot,
    states,
)
from tests.steps.accruals.recorded_imports import sound_import
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.ledger_view import rows
from tracking.database import read_session

pytestmark = pytest.mark.slow

Captured = pytest.CaptureFixture[str]
EVA = Signature("Eva", "taken over from the old system")
HEADER = "email,name,service,amount,currency\n"
ANA = HEADER + "Ana@Example.org,Ana,70500001,400.00,EUR\n"


@pytest.fixture
def course(database: str) -> Books:
    """A course, and sound imports."""
    sound_import(YEARS)
    books = Books()
    books.service()
    return books


def loaded(text: str = ANA, *, month: str = "2024-03", preview: bool = False) -> LoadedBalances:
    return load_opening_balances(BalanceFile("old.csv", text, day(month)), EVA, SETTINGS, preview=preview)


def test_what_was_deferred_is_accrued_over_what_is_still_taught(course: Books) -> None:
    """A course from January to June; the ledger begins in March: 400.00 for the sessions from then on."""
    done = loaded()
    course.period(1, "2024-01-08", "2024-06-30")

    accrue_months("2024-02", "2024-03", "2024-04", "2024-05", "2024-06")

    (balance,) = done.balances
    assert (balance.new_client, balance.new_contract, done.totals) == (True, True, {"EUR": Decimal(400)})
    assert [(row["identifier"], row["name"]) for row in rows(Client)] == [("ana@example.org", "Ana")]
    assert list(amounts()) == ["2024-03", "2024-04", "2024-05", "2024-06"]
    assert sum(map(Decimal, amounts().values())) == Decimal(400)
    assert states()[1] == ("400.00", "400.00", "0.00", "COMPLETED")


def test_it_is_a_column_of_its_own_in_the_roll_forward_which_ties_out_over_closes(course: Books) -> None:
    loaded()
    course.period(1, "2024-01-08", "2024-06-30")
    add_document(1, "2024-03-20", "100.00")
    accrue_months("2024-03", "2024-04")
    course.close("2024-03")

    with read_session() as session:
        report = roll_forwards(session, MonthWindow(day("2024-02"), day("2024-05")), SETTINGS)

    february, march, april = (month.line("EUR") for month in report.months)
    shown = [str(each) for each in (february.closing, march.opening, march.brought_forward, march.invoiced)]
    assert shown == ["0.00", "0.00", "400.00", "100.00"]
    assert april.opening == march.closing == Decimal(500) - march.accrued
    assert report.ties_out


def test_a_credit_note_of_an_older_invoice_is_no_negative_revenue(course: Books) -> None:
    loaded()
    course.period(1, "2024-01-08", "2024-06-30")
    accrue_months("2024-03")
    add_document(1, "2024-04-10", "-100.00")

    accrue_months("2024-04", "2024-05", "2024-06")

    assert all(Decimal(amount) > 0 for amount in amounts().values())
    assert states()[1] == ("300.00", "300.00", "0.00", "COMPLETED")


def test_a_contract_that_is_there_takes_it_too(course: Books) -> None:
    contract = course.contract("Ana", service=1, begun="2024-03-05")
    course.document(contract, "2024-03-05", "50.00")

    done = loaded()

    assert (done.balances[0].new_client, done.balances[0].new_contract) == (False, False)
    (row,) = rows(ServiceContract)
    assert (row["contract_date"], row["contract_amount"]) == (day("2024-03"), Decimal(450))


def test_a_preview_says_the_same_and_writes_nothing(course: Books) -> None:
    previewed = loaded(preview=True)

    assert (rows(Client), rows(Invoice), rows(OpeningBalances)) == ([], [], [])
    done = loaded()
    assert (previewed.balances, previewed.load_id, done.load_id) == (done.balances, None, 1)


FAULTS = {
    "no email": ("ana,,70500001,1.00,EUR", "line 2: 'ana' is no email address"),
    "no such service": ("a@b.org,,nobody,1.00,EUR", "line 2: no service is called 'nobody'"),
    "no amount": ("a@b.org,,70500001,ten,EUR", "line 2: 'ten' is not an amount"),
    "nothing": ("a@b.org,,70500001,0,EUR", "line 2: '0' is not an amount above 0"),
    "less than nothing": ("a@b.org,,70500001,-1.00,EUR", "line 2: '-1.00' is not an amount above 0"),
    "half a cent": ("a@b.org,,70500001,1.005,EUR", "line 2: '1.005' is not an amount above 0 in whole cents"),
    "thousands": ('a@b.org,,70500001,"1,234.56",EUR', "line 2: '1,234.56' is not an amount"),
    "no currency": ("a@b.org,,70500001,1.00,", "line 2: '' is no currency"),
    "twice": (
        "a@b.org,,70500001,1.00,EUR\nA@B.org,,70500001,2.00,EUR",
        "line 3: a@b.org and .* stand in line 2",
    ),
    "another currency": ("bob@example.org,,70500001,1.00,USD", "line 2: contract 1 is in EUR, and not in USD"),
    "older documents": (
        "eva@example.org,,70500001,1.00,EUR",
        "line 2: contract 2 has documents from before",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_line_that_cannot_be_taken_is_named_and_nothing_of_the_file_is(course: Books, fault: str) -> None:
    course.document(course.contract("Bob", service=1, begun="2024-03-05"), "2024-03-05", "5.00")
    course.document(course.contract("Eva", service=1, begun="2024-02-05"), "2024-02-05", "5.00")
    before, (line, said) = snapshot(), FAULTS[fault]

    with pytest.raises(UnfitBalancesError, match=said) as refusal:
        loaded(f"{HEADER}{line}\ngood@example.org,,70500001,1.00,EUR\n")

    assert len(refusal.value.faults) == 1
    assert (snapshot(), rows(OpeningBalances)) == (before, [])


def test_a_file_of_spain_with_semicolons_and_decimal_commas_is_read(course: Books) -> None:
    done = loaded("\ufeffservice;email;amount;currency\nfull stack;ana@example.org;1234,56;eur\n")

    assert done.totals == {"EUR": Decimal("1234.56")}


def test_the_same_contract_is_not_taken_twice_and_a_closed_month_not_at_all(course: Books) -> None:
    loaded()
    with pytest.raises(UnfitBalancesError, match="contract 1 has an opening balance already"):
        loaded()
    with pytest.raises(UsageError, match=r"old.csv begins with who, what: expected are email, name"):
        loaded("who,what\n")
    accrue("2024-03")
    course.close("2024-03")
    with pytest.raises(UsageError, match="2024-03 is closed"):
        loaded(HEADER + "bob@example.org,,70500001,1.00,EUR\n")


def test_a_load_is_reverted_with_a_trail_and_what_was_accrued_of_it_is_taken_back(course: Books) -> None:
    loaded()
    course.period(1, "2024-01-08", "2024-06-30")
    accrue_months("2024-03")
    accrued = amounts()["2024-03"]

    revert_opening_balances(1, Signature("Max", "the wrong file"), SETTINGS)
    accrue_months("2024-04")

    assert amounts() == {"2024-03": accrued, "2024-04": f"-{accrued}"}
    assert contract_statuses() == {1: "CANCELED"}
    (trail,) = rows(OpeningBalances)
    assert (trail["who"], trail["reverted_by"], trail["revert_reason"]) == ("Eva", "Max", "the wrong file")
    with pytest.raises(UsageError, match="load 1 was reverted already"):
        revert_opening_balances(1, EVA, SETTINGS)
    with read_session() as session:
        assert roll_forwards(session, MonthWindow(day("2024-03"), day("2024-05")), SETTINGS).ties_out


def test_the_command_previews_takes_lists_and_reverts(course: Books, capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text(ANA + "nobody,,x,1,EUR\n", encoding="utf-8")
    load = ["opening-balances", "load", str(file), "--month", "2024-03", "--reason", "old", "--by", "Eva"]
    assert run_command(load) == 2
    assert "- line 3: 'nobody' is no email address" in capsys.readouterr().err
    file.write_text(ANA, encoding="utf-8")

    assert run_command([*load, "--preview"]) == 0
    assert run_command(load) == 0
    assert run_command(["opening-balances", "revert", "1", "--reason", "wrong", "--by", "Max"]) == 0
    assert run_command(["opening-balances", "list"]) == 0

    out = capsys.readouterr().out
    assert "1 contracts, 400.00 EUR\n1 contracts and 1 clients would be new\nnothing was taken: a preview" in out
    assert "taken as load 1" in out
    assert "1: 2024-03, 1 contracts of old.csv, loaded by Eva on" in out
    assert "old; reverted by Max: wrong" in out


def test_the_balance_comes_out_whatever_the_enrollment_is(course: Books) -> None:
    """Accrued + remaining = brought forward + invoiced - credited, with a course that was dropped too."""
    loaded(HEADER + "a@b.org,,70500001,10.00,EUR\nb@b.org,,70500001,20.01,EUR\n")
    dropped = period("2024-01-08", "2024-06-30", "DROPPED", "2024-04-10")
    course.period(1, "2024-01-08", "2024-06-30", dropped.status.value, "2024-04-10")
    accrue_months("2024-03", "2024-04")

    assert {total for total, *_ in states().values()} == {"10.00", "20.01"}
    assert [(accrued, remaining) for _, accrued, remaining, _ in states().values()] == [
        ("10.00", "0.00"),
        ("20.01", "0.00"),
    ]


CLIENTS = 10
LIFE = [f"2024-{month:02}" for month in range(3, 11)]


def _taken_over(course: Books, chance: Random) -> dict[int, str]:
    """Balances of random contracts of two services, in euros and dollars; their courses began before, or begin later.

    Returns the currency of each contract.
    """
    course.service("Data", "70500002")
    lines = [
        f"p{number}@example.org,,7050000{chance.randint(1, 2)},{chance.randint(1, 200_000) / 100:.2f},"
        f"{chance.choice(['EUR', 'EUR', 'USD'])}\n"
        for number in range(1, CLIENTS + 1)
    ]
    loaded(HEADER + "".join(lines))
    for number in range(1, CLIENTS + 1):
        if chance.random() < 0.8:
            start = day("2024-01-08") + timedelta(days=chance.randint(0, 120))
            end, changed = (start + timedelta(days=chance.randint(*days)) for days in ((20, 200), (10, 150)))
            status = chance.choice(["ACTIVE", "ACTIVE", "ACTIVE", "ENDED", "DROPPED", "POSTPONED"])
            course.period(number, f"{start}", f"{end}", status, None if status == "ACTIVE" else f"{changed}")
    return {row["id"]: row["contract_currency"] for row in rows(ServiceContract)}


def _happen(month: str, currencies: dict[int, str], chance: Random) -> None:
    """New invoices, credits of older ones, some larger than what is left, and adjustments."""
    for number in chance.sample(sorted(currencies), 3):
        when, cents = f"{month}-{chance.randint(1, 28):02}", chance.randint(1, 90_000)
        amount = f"{chance.choice([1, -1, -1]) * cents / 100:.2f}"
        add_document(number, when, amount, currency=currencies[number])
    for number in chance.sample(sorted(states()), min(len(states()), 1)):
        adjust(Adjustment(number, Decimal(chance.choice([-1234, 1, 999])).scaleb(-2), day(month)), EVA, LATER)


def _require_every_cent(month: str, currencies: dict[int, str]) -> None:
    """Promise 1, by contract and by currency: what is documented is accrued or deferred, each cent once."""
    documented, accrued = defaultdict[int, Decimal](Decimal), defaultdict[int, Decimal](Decimal)
    for row in rows(Invoice):
        if row["voided_at"] is None and row["invoice_date"] <= last_of_month(day(month)):
            assert row["currency"] == currencies[row["service_contract_id"]]
            documented[row["service_contract_id"]] += row["net_amount"]
    contracts = {row["id"]: row["contract_id"] for row in rows(ContractAccrual)}
    for row in rows(AccruedPeriod):
        assert row["currency"] == currencies[contracts[row["contract_accrual_id"]]]
        accrued[contracts[row["contract_accrual_id"]]] += row["accrued_amount"]
    for number, (total, posted, remaining, _) in states().items():
        assert Decimal(total) == documented[number] == accrued[number] + Decimal(remaining)
        assert Decimal(posted) == accrued[number]
    with read_session() as session:
        report = roll_forwards(session, MonthWindow(day("2024-03"), next_month(day(month))), SETTINGS)
    assert report.ties_out
    for currency in ("EUR", "USD"):
        left = sum(documented[each] - accrued[each] for each, own in currencies.items() if own == currency)
        assert report.months[-1].line(currency).closing == left


def _adjustments() -> list[tuple[date, Decimal]]:
    return [(row["accrual_date"], row["accrued_amount"]) for row in rows(AccruedPeriod) if row["rule"] == ADJUSTMENT]


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 40))])
def test_promise_1_holds_with_balances_credits_adjustments_redo_and_two_currencies(
    course: Books, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By either method, in turns."""
    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", list(AccrualMethod)[seed % 2])
    chance = Random(seed)
    currencies = _taken_over(course, chance)
    for number, month in enumerate(LIFE):
        _happen(month, currencies, chance)
        assert accrue(month)["failures"] == []
        course.accrued(month)
        _require_every_cent(month, currencies)
        if number in (3, 6):
            by_hand = _adjustments()
            with StepContext() as context:
                redo_in_a_run(context, AskedRedo.of(day(chance.choice(LIFE[: number + 1])), EVA, LATER))
            _require_every_cent(month, currencies)
            assert _adjustments() == by_hand
    revert_opening_balances(1, EVA, SETTINGS)
    accrue("2024-11")
    course.accrued("2024-11")
    _require_every_cent("2024-11", currencies)
