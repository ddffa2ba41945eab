"""Two runs of one range at once, and a run whose machine froze: nothing is done twice, and no late work is kept."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.database_server import administer
from tests.kill_matrix.case import IMPORT, Case
from tests.kill_matrix.conftest import Model, cell_name
from tests.kill_matrix.disturbance import Disturbance, Kind, Place
from tests.kill_matrix.ground import Ground
from tests.kill_matrix.ledger_content import ledger_content
from tracking.database import get_engine, parse_database_url
from tracking.history import HistoryFilter, find_executions
from tracking.recorder import end_dead_executions

pytestmark = pytest.mark.prefect

_LONGEST_SECONDS = 180
_DATABASES = pytest.mark.parametrize(
    "database_kind",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.kill_matrix)],
)


@pytest.mark.long
@_DATABASES
def test_two_runs_of_one_range_at_once_do_everything_once(
    database_kind: str, stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = stage(Case(Disturbance(Kind.SIGKILL, Place.BEFORE_PLAN), database_kind))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)

    runs = [ground.start((*IMPORT, "--json")) for _ in range(2)]
    ended = [(process.communicate(timeout=_LONGEST_SECONDS), process.returncode) for process in runs]

    assert [status for _, status in ended] == [0, 0], ended
    assert ledger_content(get_engine()) == model.undisturbed[IMPORT].content
    executions = find_executions(HistoryFilter())
    assert [execution.status for execution in executions] == ["completed"] * 16
    created = sum((execution.result or {}).get("invoices_created", 0) for execution in executions)
    assert created == sum(row.startswith("(") for row in model.undisturbed[IMPORT].content["invoice"])


@pytest.mark.long
def test_a_run_that_was_cut_off_and_comes_back_commits_nothing_late_and_does_the_rest(
    stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL frees the lock of a connection that is gone; the process behind it may still be there."""
    ground = stage(Case(Disturbance(Kind.FREEZE, Place.IN_REQUEST), "postgresql"))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    with _frozen_run(ground) as frozen:
        _cut_its_lock(ground)
        after = ground.run(*IMPORT)
        assert after.status == 0, after.err
        content = ledger_content(get_engine())
        written = _ended_rows()
    out, err = frozen.communicate(timeout=_LONGEST_SECONDS)

    assert frozen.returncode == 1, err
    assert "ended from outside" in err
    assert content == model.undisturbed[IMPORT].content
    assert ledger_content(get_engine()) == content
    assert _ended_rows()[: len(written)] == written
    failed = [cell_name(each) for each in json.loads(out)["executions"] if each["status"] == "failed"]
    assert failed.count("invoices 2024-03") == 1
    assert [row for row in find_executions(HistoryFilter()) if row.status not in {"completed", "failed"}] == []


def _ended_rows() -> list[tuple[int | None, str, str | None]]:
    return sorted((row.id, row.status, row.error_message) for row in find_executions(HistoryFilter()))


@pytest.mark.long
def test_a_run_that_was_stopped_past_every_limit_is_waited_for(
    stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process keeps its lock: it is alive, and nobody ends its executions."""
    ground = stage(Case(Disturbance(Kind.FREEZE, Place.IN_REQUEST), "sqlite"))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    with _frozen_run(ground) as frozen:
        second = ground.start((*IMPORT, "--json"))
        _await(lambda: len(find_executions(HistoryFilter(step_name="invoices", status="running"))) == 2)
        assert end_dead_executions() == []
        waiting, held = find_executions(HistoryFilter(step_name="invoices", status="running"))
        assert (waiting.holds_window, held.holds_window) == (False, True)
    _, err = frozen.communicate(timeout=_LONGEST_SECONDS)
    _, second_err = second.communicate(timeout=_LONGEST_SECONDS)

    assert (frozen.returncode, second.returncode) == (0, 0), err + second_err
    assert ledger_content(get_engine()) == model.undisturbed[IMPORT].content


@pytest.mark.long
@_DATABASES
def test_a_run_that_does_not_wait_is_refused_with_the_name_of_the_other(
    database_kind: str, stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = stage(Case(Disturbance(Kind.FREEZE, Place.IN_REQUEST), database_kind))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    with _frozen_run(ground) as first:
        second = ground.run(*IMPORT, "--overlap", "refuse")
        (held,) = find_executions(HistoryFilter(step_name="invoices", status="running"))
    out, err = first.communicate(timeout=_LONGEST_SECONDS)

    assert (first.returncode, second.status) == (0, 1), err
    refused = {cell_name(each): each["error_message"] for each in second.executions if each["status"] == "failed"}
    assert list(refused) == ["invoices 2024-03"]
    assert refused["invoices 2024-03"].startswith(
        f"refused: run {held.flow_run_id} (execution {held.id}) is working on it"
    )
    assert json.loads(out)["flow_run_id"] == held.flow_run_id
    assert ledger_content(get_engine()) == model.undisturbed[IMPORT].content


@contextmanager
def _frozen_run(ground: Ground) -> Iterator["subprocess.Popen[str]"]:
    """A run that stands still inside the block, in its first month's request, as on a laptop whose lid was closed."""
    mark = ground.folder / "hit"
    disturbance = Disturbance(Kind.FREEZE, Place.IN_REQUEST, "invoices 2024-03", mark=str(mark))
    run = ground.start((*IMPORT, "--json"), disturbance)
    _await(lambda: mark.exists() and psutil.Process(run.pid).status() == psutil.STATUS_STOPPED)
    try:
        yield run
    finally:
        os.kill(run.pid, signal.SIGCONT)


def _cut_its_lock(ground: Ground) -> None:
    name = parse_database_url(ground.database_url).database
    administer(
        ground.server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE application_name = 'sync-management run lock' AND datname = '{name}'",
    )


def _await(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)
