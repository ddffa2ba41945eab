"""The history by run: what a reader sees of each without opening it."""

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from random import Random

import pytest

from steps.catalog import STEPS
from tracking.database import write_session
from tracking.history import HistoryFilter, Place, RunSummary, find_executions, find_runs, newest_and_open
from tracking.models import OPEN_STATUSES, ExecutionStatus, SyncExecution

BEGAN = datetime(2024, 5, 1, 9, tzinfo=UTC)
MONTHS = (None, date(2024, 1, 1), date(2024, 2, 1))


@pytest.mark.parametrize("seed", range(3))
def test_the_runs_are_the_executions_that_fit_added_up(database: str, seed: int) -> None:
    random = Random(seed)
    with write_session() as session:
        for number in range(120):
            status = random.choice(list(ExecutionStatus))
            started = None if status == ExecutionStatus.PENDING else BEGAN + timedelta(seconds=number)
            session.add(
                SyncExecution(
                    step_name=random.choice(list(STEPS)),
                    status=status,
                    window_start=random.choice(MONTHS),
                    flow_run_id=random.choice([None, *map(str, range(12))]),
                    started_at=started,
                    completed_at=started + timedelta(seconds=5) if started and status not in OPEN_STATUSES else None,
                    error_message="refused" if status == ExecutionStatus.FAILED else None,
                )
            )
    for wanted in (
        HistoryFilter(limit=1000),
        HistoryFilter(step_name="invoices", limit=1000),
        HistoryFilter(status="failed", older_than=Place(80), limit=1000),
    ):
        fitting = sorted(find_executions(wanted), key=_run)
        expected = [_added_up(list(same)) for _, same in groupby(fitting, key=_run)]

        found = find_runs(wanted)

        assert [each.last_id for each in found] == sorted((each.last_id for each in expected), reverse=True)
        assert sorted(found, key=lambda each: each.last_id) == sorted(expected, key=lambda each: each.last_id)


def _run(execution: SyncExecution) -> str:
    return execution.flow_run_id or f"none {execution.id}"


def _added_up(executions: list[SyncExecution]) -> RunSummary:
    numbers, names = [each.id or 0 for each in executions], {each.step_name for each in executions}
    months = [each.window_start for each in executions if each.window_start]
    failed = sum(each.status == ExecutionStatus.FAILED for each in executions)
    return RunSummary(
        executions[0].flow_run_id,
        min(numbers),
        max(numbers),
        min(names),
        len(names),
        min(months, default=None),
        max(months, default=None),
        len(executions),
        failed,
        sum(each.status in OPEN_STATUSES for each in executions),
        min((each.started_at for each in executions if each.started_at), default=None),
        max((each.completed_at for each in executions if each.completed_at), default=None),
        "refused" if failed else "",
    )


def test_whatever_happens_in_the_history_is_seen_by_what_is_newest_and_open(database: str) -> None:
    seen = [newest_and_open()]
    execution = SyncExecution(step_name="services")
    for status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.COMPLETED):
        execution.status = status
        with write_session() as session:
            session.add(execution)
            session.flush()
            session.expunge(execution)
        seen.append(newest_and_open())

    assert len(set(seen)) == len(seen)
    assert newest_and_open() == seen[-1]
