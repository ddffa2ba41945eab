"""A person has an open month done again, with all after it (docs/accrual-rules.md, The way back)."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steps.accruals import post_month
from steps.closing import Signature, verify
from steps.context import StepContext
from steps.corrections import Adjustment, adjust
from steps.engine.gate import Override
from steps.errors import BrokenImportError, UsageError
from steps.ledger.accrual import AccruedPeriod, ContractAccrual, Redo, SetAsidePosting
from steps.ledger.contract import Invoice, ServiceContract, recompute_contracts
from steps.ledger.months import MonthWindow, last_of_month
from steps.redo import AskedRedo, Redone, preview_redo, read_redone
from steps.reports.roll_forward import TieOut, roll_forwards
from steps.settings import AccrualMethod
from tests.new_database import NewDatabase, on_both_databases
from tests.steps.accruals.builders import day, document, period
from tests.steps.accruals.database_ledger import (
    LATER,
    Stored,
    accrue,
    accrue_months,
    add_document,
    amounts,
    contract_statuses,
    execute,
    redo_in_a_run,
    snapshot,
    states,
    store,
)
from tests.steps.accruals.recorded_imports import MARCH, begun, end_as, executed, sound_import
from tests.steps.accruals.reports.books import SETTINGS, Books
from tests.steps.accruals.strategies import contracts
from tests.steps.ledger_view import rows
from tracking.database import dispose_engines, read_session, write_session
from tracking.history import executions_of_run
from tracking.models import SyncExecution

pytestmark = pytest.mark.slow

EVA = Signature("Eva", "the enrollment was entered late")
DATABASES = count()


def done_again(month: str, *, preview: bool = False, by: Signature = EVA, override: Override | None = None) -> Redone:
    asked = AskedRedo.of(day(month), by, LATER)
    with StepContext() as shared:
        context = shared.of_execution(None, override=override)
        if preview:
            return preview_redo(context, asked)
        asked.require_reason()
        return redo_in_a_run(context, asked)


def test_what_changed_is_accrued_as_if_it_had_been_known(ledger: None) -> None:
    """600.00 for 60 sessions; of what became 1200.00, January and February accrue twice as much."""
    accrue_months("2024-01", "2024-02", "2024-03")
    before = amounts()
    add_document(1, "2024-01-20", "600.00")

    done = done_again("2024-02")

    assert amounts()["2024-01"] == before["2024-01"] == "80.00"
    # 1120.00 remain for the 52 sessions from February on, of which it has 10
    assert amounts()["2024-02"] == str((Decimal(1120) * 10 / 52).quantize(Decimal("0.01"))) == "215.38"
    (line,) = done.contracts
    assert (line.currency, line.old, line.new) == ("EUR", Decimal(210), line.old + line.difference)
    assert [(each.month, str(each.old)) for each in line.months] == [
        (day("2024-02"), "100.00"),
        (day("2024-03"), "110.00"),
    ]
    assert line.why == ("2024-02: row 11 (days in force), of another amount that remained; changed since: documents")
    assert [(each.currency, each.old, each.difference) for each in done.totals] == [("EUR", line.old, line.difference)]
    assert (done.month, done.months) == (day("2024-02"), (day("2024-02"), day("2024-03")))
    total, accrued, remaining, _ = states()[1]
    assert (total, Decimal(accrued) + Decimal(remaining)) == ("1200.00", Decimal(1200))


def test_what_was_accrued_whole_before_an_enrollment_is_put_right(database: str) -> None:
    store(Stored(periods=()))
    for month in ("2024-01", "2024-02", "2024-03"):
        _accrue_and_record(month)
    assert (amounts(), contract_statuses()) == ({"2024-01": "600.00"}, {1: "CANCELED"})
    Books().period(1, "2024-01-08", "2024-06-30")

    (line,) = done_again("2024-01").contracts

    assert amounts() == {"2024-01": "80.00", "2024-02": "100.00", "2024-03": "110.00"}
    assert contract_statuses() == {1: "ACTIVE"}
    assert "row 11 (days in force)" in line.why


def test_what_is_set_aside_is_kept_with_who_when_and_why_and_is_in_no_report(ledger: None) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")
    add_document(1, "2024-01-20", "600.00")

    done_again("2024-02")

    (noted,) = rows(Redo)
    assert (noted["month"], noted["who"], noted["reason"]) == (day("2024-02"), "Eva", EVA.reason)
    assert noted["at"].tzinfo is not None
    aside = [(row["contract_id"], row["accrual_date"], str(row["accrued_amount"])) for row in rows(SetAsidePosting)]
    assert aside == [(1, day("2024-02"), "100.00"), (1, day("2024-03"), "110.00")]
    with read_session() as session:
        report = roll_forwards(session, MonthWindow(day("2024-01"), day("2024-04")), SETTINGS)
    assert report.ties_out
    assert str(report.months[1].line("EUR").accrued) == "215.38"
    Books().close("2024-01", "2024-02")
    with read_session() as session:
        assert verify(session).difference is None


def test_a_preview_says_the_same_and_writes_nothing(ledger: None) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")
    add_document(1, "2024-01-20", "600.00")
    before, executions = snapshot(), len(rows(SyncExecution))

    previewed = done_again("2024-02", preview=True, by=Signature("Eva"))

    assert (snapshot(), len(rows(SyncExecution)), rows(Redo)) == (before, executions, [])
    done = done_again("2024-02")
    assert done.redo_id is not None
    assert previewed == replace(done, redo_id=None)
    assert read_redone(executions_of_run(rows(SyncExecution)[-1]["flow_run_id"])) == done


def test_a_preview_keeps_no_writer_waiting_on_sqlite(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody writes while it is at work: a step's states, another month, a person's decision."""
    shutil.copy(sqlite_template, tmp_path / "sync.db")
    store(Stored())
    accrue_months("2024-01", "2024-02")
    written: list[None] = []

    def writes_beside(*given: Any) -> Any:
        with ThreadPoolExecutor(1) as another:
            written.append(another.submit(add_document, 1, "2024-05-01", f"{len(written) + 1}.00").result(timeout=60))
        return post_month(*given)

    monkeypatch.setattr("steps.redo.post_month", writes_beside)
    assert done_again("2024-01", preview=True).contracts == ()
    assert len(written) == 2
    assert len(rows(Invoice)) == 3


def test_the_history_has_an_execution_of_the_accruals_for_each_month(ledger: None) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")

    done_again("2024-02")

    own = [row for row in rows(SyncExecution) if row["step_name"] == "accruals"]
    assert [(row["window_start"], row["status"], row["holds_window"]) for row in own] == [
        (day("2024-02"), "completed", False),
        (day("2024-03"), "completed", False),
    ]
    assert own[0]["started_at"] is not None
    result = own[0]["details"]["result"]
    assert result["redo"] == {"id": 1, "month": "2024-02", "by": "Eva", "reason": EVA.reason}
    assert (result["amount_accrued"], result["summary"]["successful_accruals"]) == ("100.00", 1)


def test_a_month_that_was_left_out_is_made_up_for(ledger: None) -> None:
    accrue_months("2024-01", "2024-03")

    done_again("2024-02")

    assert amounts() == {"2024-01": "80.00", "2024-02": "100.00", "2024-03": "110.00"}


def test_adjustments_stay_and_come_before_what_their_month_posts(ledger: None) -> None:
    accrue_months("2024-01", "2024-02")
    adjust(Adjustment(1, Decimal("-50.00"), day("2024-03")), EVA, LATER)
    adjust(Adjustment(1, Decimal("5.00"), day("2024-03")), EVA, LATER)
    accrue("2024-03")
    adjust(Adjustment(1, Decimal("7.00"), day("2024-09")), EVA, LATER)
    before = _natural()

    assert done_again("2024-01").contracts == ()

    assert _natural() == before
    assert [row["made_by"] for row in rows(AccruedPeriod) if row["rule"] == "adjustment"] == ["Eva"] * 3


REFUSALS: dict[str, tuple[Callable[[], object], str]] = {
    "no reason": (lambda: done_again("2024-02", by=Signature("Eva", " ")), "a redo needs a reason"),
    "closed": (lambda: done_again("2024-01"), "2024-01 is closed: reopen it first"),
    "not over": (lambda: done_again("2030-01"), "2030-01 is not over"),
    "never accrued": (lambda: done_again("2024-04"), "neither 2024-04 nor a later month was accrued"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_makes_no_sense_is_refused_in_one_line_and_writes_nothing(ledger: None, refusal: str) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")
    Books().close("2024-01")
    execute("DELETE FROM accrued_period WHERE accrual_date > '2024-03-31'")
    before, (ask, said) = snapshot(), REFUSALS[refusal]

    with pytest.raises(UsageError, match=said):
        ask()

    assert snapshot() == before


def test_the_gate_holds_for_a_redo_and_can_be_overridden(ledger: None) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")
    executed("invoices", status="failed", error_message="no answer")
    before = snapshot()

    with pytest.raises(BrokenImportError, match="2024-03 is not accrued"):
        done_again("2024-02")

    assert snapshot() == before
    last = max(rows(SyncExecution), key=lambda row: row["id"])
    assert (last["status"], last["holds_window"]) == ("failed", False)
    assert "2024-03 is not accrued" in last["error_message"]
    assert done_again("2024-02", override=Override("as it is", "Eva")).contracts == ()


def test_it_does_not_run_beside_an_accruals_run_of_one_of_its_months(ledger: None) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")
    other = begun("accruals", MARCH)
    run = Thread(target=done_again, args=("2024-02",))

    run.start()
    run.join(timeout=1.5)
    waiting = run.is_alive(), rows(Redo)
    end_as(other, holds_window=False)
    run.join(timeout=60)

    assert waiting == (True, [])
    assert len(rows(Redo)) == 1


def _kill(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_a_redo_that_breaks_off_in_its_second_month_leaves_everything_as_it_was(
    ledger: None, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accrue_months("2024-01", "2024-02", "2024-03")
    add_document(1, "2024-01-20", "600.00")
    before = snapshot()

    def breaks(session: Any, context: Any, month: Any, *rest: Any) -> Any:
        if month.month == day("2024-03"):
            _kill() if how == "killed" else _raise(KeyboardInterrupt())
        return post_month(session, context, month, *rest)

    monkeypatch.setattr("steps.redo.post_month", breaks)
    if how == "killed":
        dispose_engines()
        process = multiprocessing.get_context("fork").Process(target=done_again, args=("2024-02",))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    else:
        with pytest.raises(KeyboardInterrupt):
            done_again("2024-02")

    assert (snapshot(), rows(Redo), rows(SetAsidePosting)) == (before, [], [])
    monkeypatch.setattr("steps.redo.post_month", post_month)
    assert len(done_again("2024-02").contracts) == 1
    mine = [row for row in rows(SyncExecution) if row["step_name"] == "accruals"]
    assert [row["status"] for row in mine] == ["failed", "failed", "completed", "completed"]


def _raise(error: BaseException) -> None:
    raise error


def _natural(until: int = 12) -> tuple[list[Any], list[Any], list[Any]]:
    """Postings, states and contracts without their row ids: what people see of them.

    Of contracts that begin after month `until` there is no state, or one of before they changed: it is left out.
    """
    begun_after = _begun_after(last_of_month(date(2024, until, 1)))
    ids = {row["id"]: row["contract_id"] for row in rows(ContractAccrual)}
    postings = [
        (ids[row["contract_accrual_id"]], *(str(value) for name, value in row.items() if name not in _OWN_IDS))
        for row in rows(AccruedPeriod)
    ]
    of_states = [
        tuple(str(value) for name, value in row.items() if name != "id")
        for row in rows(ContractAccrual)
        if row["contract_id"] not in begun_after
    ]
    sold = [(row["id"], row["status"]) for row in rows(ServiceContract)]
    return sorted(postings), sorted(of_states), sorted(sold)


_OWN_IDS = {"id", "contract_accrual_id", "made_at"}


def _begin(new_database: NewDatabase, patch: pytest.MonkeyPatch, sold: tuple[AccrualMethod, list[Any]]) -> None:
    """Let a new database have these contracts, to be accrued by this method."""
    method, some = sold
    new_database()
    patch.setenv("SYNC_ACCRUAL_METHOD", method)
    sound_import(MonthWindow(day("2024-01"), day("2025-01")))
    for number, each in enumerate(some, 1):
        page = (each.notion.status, each.notion.day and each.notion.day.isoformat()) if each.notion else None
        store(Stored(number, each.documents, each.periods, each.status.value, page))


CENTS = st.integers(-20_000, 20_000).filter(bool).map(lambda cents: Decimal(cents).scaleb(-2))
ADJUSTMENTS = st.dictionaries(st.integers(2, 9), CENTS, max_size=3)
"""By month, made before it is accrued."""


def _accrue(months: range, adjusted: dict[int, Decimal]) -> None:
    for month in months:
        if month in adjusted and 1 in states():
            adjust(Adjustment(1, adjusted[month], date(2024, month, 1)), EVA, LATER)
        _accrue_and_record(f"2024-{month:02}")


def _accrue_and_record(month: str) -> None:
    accrue(month)
    Books().accrued(month)


patient = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example is a ledger: to shrink one takes five minutes
)
SOLD = st.tuples(st.sampled_from(AccrualMethod), st.lists(contracts(), min_size=1, max_size=2))
LIVES = st.tuples(SOLD, st.integers(1, 9), st.integers(1, 9), ADJUSTMENTS)
"""Method and contracts, the last month accrued, the one that is done again, and what was adjusted."""


@on_both_databases(examples=25)
def test_a_redo_of_an_unchanged_world_changes_nothing(
    new_database: NewDatabase, examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @settings(patient, max_examples=examples)
    @given(life=LIVES)
    def check(life: Any) -> None:
        sold, last, first, adjusted = life
        _begin(new_database, monkeypatch, sold)
        _accrue(range(1, last + 1), adjusted)
        before = _natural()

        assert done_again(f"2024-{min(first, last):02}").contracts == ()

        assert _natural() == before

    check()


STATUSES = st.sampled_from(["DROPPED", "ENDED", "POSTPONED", "ACTIVE"])
DAYS = st.dates(date(2024, 1, 1), date(2024, 9, 30))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("document"), DAYS, CENTS),
        st.tuples(st.just("period"), DAYS, st.integers(20, 150)),
        st.tuples(st.just("status"), STATUSES, DAYS),
        st.tuples(st.just("void"), st.just(0), st.just(0)),
    ),
    min_size=1,
    max_size=3,
)


def _change(changes: list[Any]) -> None:
    for number, (kind, one, other) in enumerate(changes):
        if kind == "document":
            add_document(1, one.isoformat(), str(other), external_id=f"late-{number}")
        elif kind == "period":
            _enroll(f"late-{number}", one, one + timedelta(days=other))
        elif kind == "status":
            execute("UPDATE service_period SET status = :s, status_change_date = :d", s=one, d=other.isoformat())
        else:
            execute(
                "UPDATE invoice SET voided_at = '2024-03-01 00:00:00.000000+00:00' WHERE external_id LIKE 'doc-1-%'"
            )
    with write_session() as session:
        recompute_contracts(session, [1], lambda row: row["net_amount"])


def _enroll(slug: str, start: date, end: date) -> None:
    execute(
        "INSERT INTO service_period (contract_id, external_id, name, start_date, end_date, status)"
        " VALUES (1, :slug, '', :start, :end, 'ACTIVE')",
        slug=slug,
        start=start.isoformat(),
        end=end.isoformat(),
    )


@on_both_databases(examples=25)
def test_a_redo_after_a_change_is_what_a_ledger_has_that_knew_of_it_in_time(
    new_database: NewDatabase, examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accrue, change, redo from a month on: the same as to accrue up to that month, change, and go on accruing."""

    @settings(patient, max_examples=examples)
    @given(life=LIVES, changes=CHANGES)
    def check(life: Any, changes: list[Any]) -> None:
        sold, last, first, adjusted = life
        first = min(first, last)
        adjusted = {month: amount for month, amount in adjusted.items() if month < first}  # later ones may not fit
        _begin(new_database, monkeypatch, sold)
        _accrue(range(1, last + 1), adjusted)
        _change(changes)
        done_again(f"2024-{first:02}")
        redone = _natural(last)
        _require_sums(last)

        _begin(new_database, monkeypatch, sold)
        _accrue(range(1, first), adjusted)
        _change(changes)
        _accrue(range(first, last + 1), adjusted)

        assert redone == _natural(last)

    check()


def _require_sums(last: int) -> None:
    """Promise 1, and roll-forwards that tie out but for contracts that begin after the last month."""
    for total, accrued, remaining, _ in states().values():
        assert Decimal(accrued) + Decimal(remaining) == Decimal(total)
    with read_session() as session:
        chain = roll_forwards(session, MonthWindow(day("2024-01"), day("2024-11")), SETTINGS)
    assert replace(chain, tie_out=TieOut()).ties_out
    assert {each.contract_id for each in chain.tie_out.differences} <= _begun_after(last_of_month(date(2024, last, 1)))


def _begun_after(month_end: date) -> set[int]:
    """Contracts that no month has considered as they are now (row 1): their states are those of before the change."""
    return {row["id"] for row in rows(ServiceContract) if row["contract_date"] > month_end}


EXAMPLES = [
    Stored(periods=(period("2024-01-08", "2024-06-30", "DROPPED", "2024-03-10"),)),
    Stored(periods=(period("2024-01-08", "2024-03-30", "ENDED", "2024-03-30"),)),
    Stored(periods=(period("2024-01-08", "2024-06-30", "POSTPONED", "2024-02-10"),)),
    Stored(documents=(document("2024-01-10", "600.00"), document("2024-03-10", "-600.00"))),
    Stored(documents=(document("2024-01-10", "0.00"),)),
    Stored(periods=(), page=("GRADUATED", "2024-02-20")),
]


@pytest.mark.sqlite_first
@pytest.mark.parametrize("story", range(len(EXAMPLES)))
@pytest.mark.parametrize("month", range(1, 8))
def test_whatever_ended_comes_out_the_same_and_what_comes_late_reopens_it(
    database: str, story: int, month: int
) -> None:
    """Rows 4 to 10 and 14 to 16, completions of 0.00 and reopenings, on both databases."""
    store(EXAMPLES[story])
    for number in range(1, 8):
        if number == 6:
            add_document(1, "2024-06-05", "10.00")
        _accrue_and_record(f"2024-{number:02}")
    before = _natural()

    assert done_again(f"2024-{month:02}").contracts == ()

    assert _natural() == before
