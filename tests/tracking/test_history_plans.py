"""A long history answers by its indexes: no list reads the whole table or sorts much of it, on either database."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

from sqlalchemy import ClauseElement, Executable
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from steps.catalog import STEPS
from tests.benchmarks.long_history import CELLS_OF_A_RUN, fill_history, started
from tracking.database import get_engine, read_session
from tracking.history import HistoryFilter, Place, history_query, newest_ids_query
from tracking.models import ExecutionStatus

MANY = 20_000
MIDDLE = MANY // 2
A_DAY_BEFORE = started(MIDDLE) - timedelta(days=1)
_TIMES: tuple[dict[str, Any], ...] = (
    {},
    {"since": A_DAY_BEFORE},
    {"until": started(MIDDLE)},
    {"since": A_DAY_BEFORE, "until": started(MIDDLE)},
    {"started_after": A_DAY_BEFORE},
    {"started_before": started(MIDDLE)},
    {"started_after": A_DAY_BEFORE, "started_before": started(MIDDLE)},
)
_STATUSES = (None, ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.RUNNING)
_RUNS = (None, f"run-{MIDDLE // CELLS_OF_A_RUN}")
_MOST_SORTED = MANY // 20
"""Rows, as the planner guesses them. It may find a few by another index and sort them."""


def lists() -> Iterator[HistoryFilter]:
    """Every filter with every other, each from its beginning and from a place in the middle."""
    for step, status, run, times in product((None, "invoices"), _STATUSES, _RUNS, _TIMES):
        wanted = HistoryFilter(step_name=step, status=status, flow_run_id=run, **times)
        place = Place(MIDDLE - 50, started(MIDDLE - 50) if wanted.by_start else None)
        yield wanted
        yield HistoryFilter(**{**vars(wanted), "older_than": place})


def test_no_list_reads_the_whole_table_or_sorts_much_of_it(database: str) -> None:
    fill_history(MANY)
    is_slow = _is_slow_on_sqlite if get_engine().dialect.name == "sqlite" else _is_slow_on_postgresql

    plans = [(wanted, _plan(history_query(wanted))) for wanted in lists()]

    assert [(wanted, plan) for wanted, plan in plans if is_slow(plan, wanted)] == []


def test_where_each_month_stands_is_looked_up_month_by_month(database: str) -> None:
    fill_history(MANY)

    plan = _plan(newest_ids_query(tuple(STEPS)))

    assert "Seq Scan" not in plan
    assert "SCAN sync_execution" not in plan
    for index in ("month", "month_completed", "month_retried"):
        assert re.search(rf"ix_sync_execution_{index}\b", plan), plan


def _is_slow_on_sqlite(plan: str, wanted: HistoryFilter) -> bool:
    if wanted.flow_run_id is not None:
        return "SEARCH sync_execution USING INDEX ix_sync_execution_flow_run_id" not in plan
    newest_of_all = wanted == HistoryFilter()  # they are read off the end of the table, which is in order of id
    return "TEMP B-TREE" in plan or plan.count("SCAN sync_execution") > newest_of_all


def _is_slow_on_postgresql(plan: str, wanted: HistoryFilter) -> bool:
    if "Seq Scan" in plan or any(rows > _MOST_SORTED for rows in _rows_sorted(plan)):
        return True
    few = wanted.since or wanted.started_after  # of a day; its index finds them as well
    return wanted.flow_run_id is not None and not few and "ix_sync_execution_flow_run_id" not in plan


def _rows_sorted(plan: str) -> list[int]:
    return [int(rows) for rows in re.findall(r"Sort  \(cost=\S+ rows=(\d+)", plan)]


class _Explained(Executable, ClauseElement):
    """A query, to be explained instead of run."""

    inherit_cache = False

    def __init__(self, query: ClauseElement) -> None:
        self.query = query


@compiles(_Explained, "sqlite")
def _explain_sqlite(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN QUERY PLAN {compiler.process(element.query, **options)}"


@compiles(_Explained, "postgresql")
def _explain_postgresql(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN {compiler.process(element.query, **options)}"


def _plan(query: ClauseElement) -> str:
    with read_session() as session:
        rows = session.connection().execute(_Explained(query))
        return "\n".join(str(row[-1]) for row in rows)
