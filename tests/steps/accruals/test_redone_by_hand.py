"""A program that knows nothing of ours redoes every posting of a random year from `explain --json`, to the cent."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from steps.closing import Signature
from steps.corrections import Adjustment, adjust
from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.months import MonthWindow
from steps.reports.explain import explain
from steps.reports.export import as_json
from steps.settings import SyncSettings
from tests.steps.accruals import redone_by_hand
from tests.steps.accruals.builders import day, document, period
from tests.steps.accruals.database_ledger import LATER, Stored, accrue, add_document, execute, store
from tests.steps.ledger_view import rows
from tracking.database import read_session

pytestmark = pytest.mark.slow

YEAR = MonthWindow(date(2024, 1, 1), date(2025, 3, 1))
"""With two months after it: what was postponed at its end is given up in them."""
CONTRACTS = 24
WEEKDAYS = (None, "[0,2]", "[1,3,4]")
PAGES = (None, None, ("GRADUATED", "2024-05-20"), ("DROPPED", "2024-04-02"), ("ACTIVE", None))


def some_day(chance: Random, first: str, days: int) -> date:
    return day(first) + timedelta(days=chance.randint(0, days))


def random_contract(chance: Random, number: int) -> Stored:
    """Some with late or credited documents, and none to three periods that may overlap, be put off or dropped."""
    begun = some_day(chance, "2024-01-02", 120)
    amounts = [chance.randrange(10_000, 300_000) for _ in range(chance.randint(1, 3))]
    documents = [
        document(f"{begun + timedelta(days=40 * at)}", f"{cents / 100:.2f}") for at, cents in enumerate(amounts)
    ]
    if chance.random() < 0.3:
        documents.append(document(f"{begun + timedelta(days=70)}", f"-{amounts[0] / 200:.2f}"))
    periods, start = [], begun + timedelta(days=chance.randint(-20, 30))
    for at in range(chance.choice([0, 1, 1, 1, 2, 2, 3])):
        end = start + timedelta(days=chance.randint(20, 150))
        status = chance.choice(["ACTIVE", "ACTIVE", "ENDED", "POSTPONED", "DROPPED"])
        since = None if status == "ACTIVE" else f"{start + timedelta(days=chance.randint(5, 110))}"
        periods.append(period(f"{start}", f"{end}", status, since, number=at + 1))
        start = end + timedelta(days=chance.randint(-30, 40))
    page = chance.choice(PAGES)
    return Stored(number, tuple(documents), tuple(periods), chance.choice(["ACTIVE"] * 5 + ["CANCELED"]), page)


def live_through(seed: int) -> None:
    """A year of random contracts of three services: adjusted before or after a month, with documents that come late."""
    chance = Random(seed)
    store(*(random_contract(chance, number) for number in range(1, CONTRACTS + 1)))
    for number, weekdays in enumerate(WEEKDAYS, start=1):
        if number > 1:
            columns = "id, external_id, name, description, service_type, total_sessions, sessions_per_week"
            values = ":id, :name, 'Course', '', 'FS', 40, 5"
            execute(f"INSERT INTO service ({columns}) VALUES ({values})", id=number, name=f"acc-{number}")
        execute("UPDATE service SET class_weekdays = :days WHERE id = :id", days=weekdays, id=number)
    execute(f"UPDATE service_contract SET service_id = id % {len(WEEKDAYS)} + 1")
    execute("UPDATE service_period SET created_on = '2024-03-12' WHERE contract_id % 5 = 0")
    for month in YEAR.months():
        for number in chance.sample(range(1, CONTRACTS + 1), 2):
            if any(state["contract_id"] == number and state["accrued_amount"] for state in rows(ContractAccrual)):
                amount = Decimal(chance.choice([-1234, -50, 999])).scaleb(-2)
                adjust(Adjustment(number, amount, month.start), Signature("Eva", "counted again"), LATER)
        if chance.random() < 0.4:
            late = some_day(chance, f"{month.start}", 27)
            add_document(chance.randint(1, CONTRACTS), f"{late}", chance.choice(["77.77", "-33.33"]))
        accrue(f"{month.start:%Y-%m}")
        if any(
            state["contract_id"] == month.start.month and state["accrued_amount"] for state in rows(ContractAccrual)
        ):
            again = Adjustment(month.start.month, Decimal("-0.77"), month.start)
            adjust(again, Signature("Eva", "after the month was accrued"), LATER)


def explanations() -> Iterator[dict[str, Any]]:
    """Of every contract and month with a posting."""
    contracts = {row["id"]: row["contract_id"] for row in rows(ContractAccrual)}
    posted = {(contracts[row["contract_accrual_id"]], row["accrual_date"]) for row in rows(AccruedPeriod)}
    settings = SyncSettings.load()
    with read_session() as session:
        for contract, month in sorted(posted):
            yield as_json(explain(session, contract, month, settings))


def redone(found: list[dict[str, Any]]) -> str:
    """What the other program says of them; it runs by itself, where it cannot reach ours."""
    program = [sys.executable, "-I", str(Path(redone_by_hand.__file__))]
    done = subprocess.run(program, input=json.dumps(found), capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.sqlite_first
@pytest.mark.parametrize("method", ["prospective", "catch-up"])
def test_every_posting_of_a_random_year_is_redone_to_the_cent(
    database: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", method)
    monkeypatch.setenv("SYNC_HOLIDAYS_COUNTRY", "ES")
    live_through(seed=2)

    found = list(explanations())

    assert redone(found) == f"{len(found)} explanations, 0 differences\n"
    assert {each["rule"]["row"] for each in found if each["rule"]} >= {5, 8, 10, 11, 14}
    postings = [posting for each in found for posting in each["postings"]]
    assert {posting["rule"] for posting in postings} >= {"adjustment", "row-11"}
    assert {posting["reason"] for posting in postings} >= {"counted again", "after the month was accrued"}
    assert any(len(each["postings"]) > 1 and each["worked_out"]["holidays"] for each in found)
    assert sum(Decimal(each["posted"]) for each in found) == sum(row["accrued_amount"] for row in rows(AccruedPeriod))


def test_a_cent_or_a_session_that_is_changed_is_found(database: str) -> None:
    store(Stored())
    accrue("2024-01")
    found = list(explanations())
    assert redone(found) == "1 explanations, 0 differences\n"
    for path, value in ((("postings", 0, "amount"), "80.01"), (("worked_out", "sessions_in_month"), 9)):
        changed = json.loads(json.dumps(found))
        at = changed[0]
        for step, following in pairwise(path):
            at, last = at[step], following
        at[last] = value
        assert redone(changed).endswith("1 explanations, 1 differences\n")
