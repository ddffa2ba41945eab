"""What people ask of a long history, once as the database is asked and once as the HTTP API is."""

from datetime import timedelta

from flows.api.lists import next_cursor
from steps.catalog import INVOICES
from tests.benchmarks.long_history import CELLS_OF_A_RUN, started
from tracking.history import DEFAULT_LIMIT, HistoryFilter, Place
from tracking.models import ExecutionStatus

PATH = "/api/sync/executions"
PAGE = DEFAULT_LIMIT + 1
"""Rows that the API asks for: one more than it shows."""


def questions(many: int) -> dict[str, HistoryFilter]:
    """Each kind of page of a history of that length, by what it is called."""
    middle = many // 2
    day, noon = timedelta(days=1), started(middle)
    invoices, failed = INVOICES.id, ExecutionStatus.FAILED
    return {
        "first page": HistoryFilter(limit=PAGE),
        "a page in the middle, by cursor": HistoryFilter(older_than=Place(middle), limit=PAGE),
        "one step": HistoryFilter(step_name=invoices, limit=PAGE),
        "one step, in the middle": HistoryFilter(step_name=invoices, older_than=Place(middle), limit=PAGE),
        "failed": HistoryFilter(status=failed, limit=PAGE),
        "running": HistoryFilter(status=ExecutionStatus.RUNNING, limit=PAGE),
        "one step, failed": HistoryFilter(step_name=invoices, status=failed, limit=PAGE),
        "a day in the middle": HistoryFilter(started_after=noon - day, started_before=noon, limit=PAGE),
        "before a day, by cursor": HistoryFilter(started_before=noon, older_than=Place(middle, noon), limit=PAGE),
        "one step, a day": HistoryFilter(step_name=invoices, started_after=noon - day, started_before=noon, limit=PAGE),
        "failed, before a day": HistoryFilter(status=failed, started_before=noon, limit=PAGE),
        "one run": HistoryFilter(flow_run_id=f"run-{middle // CELLS_OF_A_RUN}", limit=PAGE),
    }


def as_query(wanted: HistoryFilter) -> dict[str, str]:
    """The parameters that ask the HTTP API the same."""
    after, before, place = wanted.started_after, wanted.started_before, wanted.older_than
    given = {
        "step_name": wanted.step_name,
        "status": wanted.status,
        "flow_run_id": wanted.flow_run_id,
        "started_after": after and after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "started_before": before and before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cursor": place and next_cursor(place),
    }
    return {name: str(value) for name, value in given.items() if value}
