"""What is known of each step and month: its newest execution, the newest that completed, the newest of some records."""

from datetime import date
from random import Random

import pytest
from sqlmodel import col, select

from steps.catalog import STEPS
from tracking.database import read_session, write_session
from tracking.history import StepMonth, step_month_histories
from tracking.models import ExecutionStatus, SyncExecution

MONTHS = [None, *(date(year, month, 1) for year in (2023, 2024) for month in (1, 2, 12))]


@pytest.mark.parametrize("seed", range(5))
def test_of_any_history_the_newest_of_each_month_is_found(database: str, seed: int) -> None:
    random = Random(seed)
    with write_session() as session:
        for _ in range(random.choice([0, 1, 150])):
            month = random.choice(MONTHS)
            session.add(
                SyncExecution(
                    step_name=random.choice([*STEPS, "a step of another version"]),
                    status=random.choice(list(ExecutionStatus)),
                    window_start=month,
                    records=random.choice([None, None, 3]),
                )
            )
    with read_session() as session:
        everything = session.exec(select(SyncExecution).order_by(col(SyncExecution.id))).all()
        found = step_month_histories(session, tuple(STEPS))
        of_one = step_month_histories(session, ("invoices",))

    newest: dict[StepMonth, int | None] = {}
    completed: dict[StepMonth, int | None] = {}
    retried: dict[StepMonth, int | None] = {}
    for each in everything:
        key = (each.step_name, each.window_start)
        if each.records is None:
            newest[key] = each.id
        if each.status == "completed":
            (completed if each.records is None else retried)[key] = each.id
    expected = {
        key: (number, completed.get(key), retried.get(key)) for key, number in newest.items() if key[0] in STEPS
    }
    assert {key: _ids(found[key]) for key in found} == expected
    assert set(of_one) == {key for key in expected if key[0] == "invoices"}


def _ids(history: object) -> tuple[int | None, ...]:
    rows = (getattr(history, name) for name in ("newest", "newest_completed", "newest_retry"))
    return tuple(row.id if row else None for row in rows)
