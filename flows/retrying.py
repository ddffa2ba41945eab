"""Errors as work: which records are tried again, through which steps and months. Knows no Prefect."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from flows.cells import Cell
from flows.order import IMPORT_ORDER
from flows.parameters import parse_step
from steps.catalog import ACCRUALS, INVOICES, STEPS
from steps.domain.contact_documents import days_of_clientless_documents
from steps.domain.months import MonthWindow, first_of_month, next_month
from steps.errors import UsageError
from tracking.database import read_session
from tracking.error_book import RecordKey
from tracking.error_work import MetError, find_met, pending_errors, span_of_runs
from tracking.integration_error import ErrorStatus

_OF_ACCRUALS = "errors of the accruals are tried again by running them again: sync-actions --from-step accruals"


@dataclass(frozen=True)
class Retry:
    """What is tried again."""

    error_ids: list[int] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    """One for each step and month, in the order of the import, limited to its records."""
    span: MonthWindow | None = None
    """The months whose documents are read; None: none."""
    left_out: list[str] = field(default_factory=list)
    """Why other errors are not tried again, a line each."""


def plan_retry(ids: Sequence[int], step: str | None = None) -> Retry:
    """What to do about these errors; no ids: about all pending ones, or those of one step.

    Raises:
        UsageError: an error was named that is not there, or cannot be tried again.
    """
    operation = None if step is None else parse_step(step)
    met = _named(ids, operation) if ids else pending_errors(operation)
    left_out = [line for line in map(_why_not, met) if line]
    if left_out and (ids or operation == ACCRUALS.id):
        raise UsageError("; ".join(dict.fromkeys(left_out)))
    chosen = [each for each in met if not _why_not(each)]
    return Retry(
        [each.error.id for each in chosen if each.error.id is not None],
        _cells(chosen),
        _span([each for each in chosen if each.error.operation == INVOICES.id]),
        list(dict.fromkeys(left_out)),
    )


def _named(ids: Sequence[int], operation: str | None) -> list[MetError]:
    met = find_met(ids)
    if unknown := set(ids) - {each.error.id for each in met}:
        raise UsageError(f"no integration error has the id {', '.join(map(str, sorted(unknown)))}")
    for each in met:
        if each.error.status != ErrorStatus.PENDING:
            raise UsageError(f"error {each.error.id} is {each.error.status}: only pending ones are tried again")
        if operation not in {None, each.error.operation}:
            raise UsageError(f"error {each.error.id} is of the step {each.error.operation}, not {operation}")
    return met


def _why_not(met: MetError) -> str | None:
    if met.error.operation == ACCRUALS.id:
        return _OF_ACCRUALS
    if STEPS[met.error.operation].by_month and _window(met) is None:
        return f"error {met.error.id} was met by no tracked month of {met.error.operation}: run its month again"
    return None


def _window(met: MetError) -> MonthWindow | None:
    execution = met.execution
    if execution is None or execution.window_start is None or execution.window_end is None:
        return None
    return MonthWindow(execution.window_start, execution.window_end)


def _cells(met: Sequence[MetError]) -> list[Cell]:
    records: dict[tuple[str, MonthWindow | None], list[RecordKey]] = defaultdict(list)
    for each in met:
        step = STEPS[each.error.operation]
        window = _window(each) if step.by_month else None
        records[step.id, window].append((each.error.entity_type, each.error.entity_external_id))
    order = [step.id for step in IMPORT_ORDER]
    keys = sorted(records, key=lambda key: (order.index(key[0]), key[1].start if key[1] else date.min))
    return [Cell(STEPS[step_id], window, tuple(records[step_id, window])) for step_id, window in keys]


def _span(met: Sequence[MetError]) -> MonthWindow | None:
    """All that the runs had read which met these: a record's mended date may be another month's.

    A contact means its documents, so that the months of these are read too.
    """
    windows = [window for each in met if (window := _window(each)) is not None]
    if not windows:
        return None
    runs = {each.execution.flow_run_id for each in met if each.execution and each.execution.flow_run_id}
    days = [day for window in windows for day in (window.start, window.end - timedelta(days=1))]
    if read := span_of_runs(INVOICES.id, sorted(runs)):
        days += [read[0], read[1] - timedelta(days=1)]
    with read_session() as session:
        contacts = {each.error.entity_external_id for each in met if each.error.entity_type == "contact"}
        days += days_of_clientless_documents(session, contacts)
    return MonthWindow(first_of_month(min(days)), next_month(max(days)))
