"""Two runs of one range at once, and a run whose machine froze: nothing is done twice, and no late work is kept."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from sqlalchemy import update
from sqlmodel import col

from tests.kill_matrix.blow import Blow, Kind, Place
from tests.kill_matrix.case import IMPORT, Case
from tests.kill_matrix.conftest import Model, cell_name
from tests.kill_matrix.ground import Ground
from tests.kill_matrix.ledger_content import ledger_content
from tracking.database import get_engine, tracking_session
from tracking.execution import SyncExecution
from tracking.history import HistoryFilter, find_executions

pytestmark = pytest.mark.prefect

_LONGEST_SECONDS = 180
_DATABASES = pytest.mark.parametrize(
    "database_kind",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.kill_matrix)],
)


@_DATABASES
def test_two_runs_of_one_range_at_once_do_everything_once(
    database_kind: str, stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = stage(Case(Blow(Kind.SIGKILL, Place.BEFORE_PLAN), database_kind))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)

    runs = [ground.start((*IMPORT, "--json")) for _ in range(2)]
    ended = [(process.communicate(timeout=_LONGEST_SECONDS), process.returncode) for process in runs]

    assert [status for _, status in ended] == [0, 0], ended
    assert ledger_content(get_engine()) == model.undisturbed[IMPORT].content
    executions = find_executions(HistoryFilter())
    assert [execution.status for execution in executions] == ["completed"] * 16
    created = sum((execution.result or {}).get("invoices_created", 0) for execution in executions)
    assert created == sum(row.startswith("(") for row in model.undisturbed[IMPORT].content["invoice"])


@_DATABASES
def test_a_run_that_froze_and_woke_up_commits_nothing(
    database_kind: str, stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = stage(Case(Blow(Kind.FREEZE, Place.IN_REQUEST), database_kind))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    with _frozen_run(ground) as frozen:
        _look_like_another_machines(frozen.pid)
        after = ground.run(*IMPORT)
        assert after.status == 0, after.err
        content = ledger_content(get_engine())
        written = [(row.id, row.status, row.error_message) for row in find_executions(HistoryFilter())]
    _, err = frozen.communicate(timeout=_LONGEST_SECONDS)

    assert frozen.returncode == 1, err
    assert "ended from outside" in err
    assert content == model.undisturbed[IMPORT].content
    assert ledger_content(get_engine()) == content
    assert [(row.id, row.status, row.error_message) for row in find_executions(HistoryFilter())] == written


@_DATABASES
def test_a_run_that_does_not_wait_is_refused_with_the_name_of_the_other(
    database_kind: str, stage: Callable[[Case], Ground], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = stage(Case(Blow(Kind.FREEZE, Place.IN_REQUEST), database_kind))
    monkeypatch.setenv("SYNC_DATABASE_URL", ground.database_url)
    with _frozen_run(ground) as first:
        second = ground.run(*IMPORT, "--overlap", "refuse")
        (held,) = find_executions(HistoryFilter(step_name="invoices", status="running"))
    out, err = first.communicate(timeout=_LONGEST_SECONDS)

    assert (first.returncode, second.status) == (0, 1), err
    refused = {cell_name(each): each["error_message"] for each in second.executions if each["status"] == "failed"}
    assert list(refused) == ["invoices 2024-03"]
    assert refused["invoices 2024-03"].startswith(f"refused: run {held.flow_run_id} (process {first.pid} on ")
    assert json.loads(out)["flow_run_id"] == held.flow_run_id
    assert ledger_content(get_engine()) == model.undisturbed[IMPORT].content


@contextmanager
def _frozen_run(ground: Ground) -> Iterator["subprocess.Popen[str]"]:
    """A run that stands still inside the block, in its first month's request, as on a laptop whose lid was closed."""
    mark = ground.folder / "hit"
    blow = Blow(Kind.FREEZE, Place.IN_REQUEST, "invoices 2024-03", mark=str(mark))
    run = ground.start((*IMPORT, "--json"), blow)
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not (mark.exists() and psutil.Process(run.pid).status() == psutil.STATUS_STOPPED):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    try:
        yield run
    finally:
        os.kill(run.pid, signal.SIGCONT)


def _look_like_another_machines(pid: int) -> None:
    """Whether the process lives cannot be seen from here, and its lease is over."""
    with tracking_session() as session:
        session.execute(
            update(SyncExecution)
            .where(col(SyncExecution.owner).contains(f"/{pid}/"))
            .values(owner=f"another-machine/{pid}/1.00", alive_at=datetime.now(UTC) - timedelta(hours=1))
        )
