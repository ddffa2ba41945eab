"""A long history answers by its indexes: no list reads the whole table, on either database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Executable, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from tracking.database import get_engine, read_session
from tracking.history import HistoryFilter, Place, history_query

MANY = 20_000
MIDDLE = datetime(2024, 1, 8, tzinfo=UTC)
_FILL = {
    "sqlite": """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
        INSERT INTO sync_execution (id, step_name, status, started_at, metadata, created_at, updated_at, holds_window)
        SELECT i, 'step-' || (i % 6), CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'completed' END, t, '{}', t, t, 0
        FROM (SELECT i, strftime('%Y-%m-%d %H:%M:%S', 1704067200 + i * 60, 'unixepoch') || '.000000+00:00' AS t FROM n)
    """,
    "postgresql": """
        INSERT INTO sync_execution (id, step_name, status, started_at, metadata, created_at, updated_at, holds_window)
        SELECT i, 'step-' || (i % 6), CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'completed' END, t, '{}', t, t, false
        FROM (SELECT i, to_timestamp(1704067200 + i * 60) AS t FROM generate_series(1, :many) AS i) AS rows
    """,
}


@pytest.fixture
def long_history(database: str) -> str:
    """Many executions, a minute apart, and what the planner needs to know of them."""
    dialect = get_engine().dialect.name
    with get_engine().begin() as connection:
        connection.execute(text(_FILL[dialect]), {"many": MANY})
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return dialect


@pytest.mark.parametrize(
    "wanted",
    [
        HistoryFilter(),
        HistoryFilter(older_than=Place(MANY // 2)),
        HistoryFilter(step_name="step-3"),
        HistoryFilter(step_name="step-3", older_than=Place(MANY // 2)),
        HistoryFilter(status="failed"),
        HistoryFilter(status="running"),
        HistoryFilter(step_name="step-2", status="failed"),
        HistoryFilter(started_before=MIDDLE),
        HistoryFilter(started_after=MIDDLE),
        HistoryFilter(started_before=MIDDLE, older_than=Place(5000, datetime(2024, 1, 4, 11, 20, tzinfo=UTC))),
        HistoryFilter(flow_run_id="a-run"),
    ],
    ids=lambda wanted: ", ".join(str(value) for value in vars(wanted).values() if value is not None),
)
def test_no_list_reads_the_whole_table(long_history: str, wanted: HistoryFilter) -> None:
    plan = _plan(wanted)

    assert "sync_execution" in plan
    if long_history == "sqlite":
        assert "TEMP B-TREE" not in plan
        assert "SCAN sync_execution" not in plan or _is_in_order_of_an_index(plan, wanted)
    else:
        assert "Seq Scan" not in plan
        few_rows = "Bitmap Index Scan" in plan or "ix_sync_execution_flow_run_id" in plan  # quickly sorted
        assert "Sort" not in plan or few_rows


def _is_in_order_of_an_index(plan: str, wanted: HistoryFilter) -> bool:
    """Without a filter the newest are read off the end of the table, which is in order of id."""
    return wanted == HistoryFilter() and plan.count("SCAN") == 1


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


def _plan(wanted: HistoryFilter) -> str:
    with read_session() as session:
        rows = session.connection().execute(_Explained(history_query(wanted)))
        return "\n".join(str(row[-1]) for row in rows)
