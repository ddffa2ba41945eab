"""A history of any length, made by the database itself: years of runs in seconds, without running anything."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from steps.catalog import STEPS
from tracking.database import get_engine

BEGUN = datetime(2020, 1, 1, tzinfo=UTC)
APART = timedelta(minutes=1)
CELLS_OF_A_RUN = 38
FAILED_EVERY = 500
_RESULT = {"attempts": 1, "result": {f"invoices_{what}": 12 for what in ("processed", "created", "updated", "skipped")}}
_COLUMNS = """
    INSERT INTO sync_execution (id, step_name, status, window_start, window_end, flow_run_id, task_run_id, metadata,
                                error_message, started_at, completed_at, created_at, updated_at, holds_window)
    SELECT i, step, CASE WHEN i % :failed_every = 0 THEN 'failed' ELSE 'completed' END, '2024-03-01', '2024-04-01',
           'run-' || (i / :cells), 'task-' || i, :metadata,
           CASE WHEN i % :failed_every = 0 THEN 'holded answered 503' END, t, t, t, t, false
"""
_FILL = {
    "sqlite": f"""
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
        {_COLUMNS}
        FROM (SELECT i, json_extract(:steps, '$[' || (i % 6) || ']') AS step,
              strftime('%Y-%m-%d %H:%M:%S', :begun + i * :apart, 'unixepoch') || '.000000+00:00' AS t FROM n)
    """,
    "postgresql": f"""
        {
        _COLUMNS.replace("'2024-03-01', '2024-04-01'", "date '2024-03-01', date '2024-04-01'").replace(
            ":metadata", "CAST(:metadata AS json)"
        )
    }
        FROM (SELECT i, CAST(:steps AS json) ->> (i % 6) AS step,
              to_timestamp(:begun + i * :apart) AS t FROM generate_series(1, :many) AS i) AS rows
    """,
}


def fill_history(many: int) -> None:
    """Executions 1 to `many`, a minute apart, one of 500 failed, in runs of 38.

    The database is that of `SYNC_DATABASE_URL`, and its history is empty.
    """
    values = {
        "many": many,
        "steps": json.dumps(list(STEPS)),
        "begun": int(BEGUN.timestamp()),
        "apart": int(APART.total_seconds()),
        "cells": CELLS_OF_A_RUN,
        "failed_every": FAILED_EVERY,
        "metadata": json.dumps(_RESULT),
    }
    engine = get_engine()
    with engine.begin() as connection:
        connection.execute(text(_FILL[engine.dialect.name]), values)
        if engine.dialect.name == "postgresql":  # its sequence knows nothing of ids that were given
            connection.execute(text("SELECT setval('sync_execution_id_seq', :many)"), {"many": many})
            connection.execute(text("ANALYZE sync_execution"))  # as it does by itself after a while, and SQLite never


def started(execution_id: int) -> datetime:
    """When an execution of the filled history began."""
    return BEGUN + APART * execution_id
