"""An import as a run does it, execution by execution, without Prefect; and what it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from prefect.states import Failed

from flows.parameters import IMPORT_ORDER
from flows.run_steps import TASKS
from steps.catalog import CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, Step
from steps.context import StepContext
from steps.errors import is_transient
from steps.ledger.contract import Invoice
from steps.ledger.months import MonthWindow
from steps.ledger.service import ServicePeriod
from steps.sandbox.exchange import Vendor
from steps.task import RETRIES, StepTask, describe_failure
from steps.vendors.http import HttpRules, Limits, RetryPolicy
from tests.faults.academy import MARCH
from tests.kill_matrix.ledger_content import Content, ledger_content
from tests.steps.ledger_view import rows
from tracking.database import get_engine
from tracking.history import executions_of_run
from tracking.locks import run_lock
from tracking.models import ErrorStatus, IntegrationError, SyncExecution
from tracking.recorder import (
    PlannedExecution,
    RunningTask,
    complete_execution,
    fail_execution,
    plan_executions,
    start_execution,
)

AT_ONCE = RetryPolicy(first_wait=0.0, longest_wait=0.0, jitter=0.0, longest_retry_after=0.01)
QUICK = HttpRules(AT_ONCE)
"""As patient as ever in attempts, without the waits."""
IMPATIENT = HttpRules(replace(AT_ONCE, attempts=2), Limits(connect=2.0, read=0.3, whole=0.4))
"""For vendors that hang."""


STEPS: Mapping[Vendor, tuple[Step, ...]] = {
    "holded": (SERVICES, INVOICES),
    "fourgeeks": (CRM_CLIENTS, SERVICE_PERIODS),
    "notion": (NOTION_EXTERNAL_ID,),
    "backend": IMPORT_ORDER,
}
"""What a run does whose vendor is in trouble: the steps that ask it."""


def run_import(steps: Sequence[Step], rules: HttpRules = QUICK) -> list[SyncExecution]:
    """Steps over March. Returns the executions in their order, as the history has them."""
    run_id = f"run {uuid4()}"
    planned = [PlannedExecution(step.id, *((MARCH.start, MARCH.end) if step.by_month else ())) for step in steps]
    with run_lock(run_id), StepContext(MARCH) as context:
        context.rules = context.reads.rules = replace(rules, progress=context.progress)
        execution_ids = plan_executions(run_id, planned)
        if not context.settings.backend_url:
            context.reads.read_ahead(steps)
        for step, execution_id, plan in zip(steps, execution_ids, planned, strict=True):
            task_run_id = str(uuid4())
            tries = [RunningTask(task_run_id, run_id, count, plan) for count in range(1, RETRIES + 2)]
            _execute(TASKS[step], context.of_execution(execution_id), [MARCH] if step.by_month else [], tries)
    return executions_of_run(run_id)


def _execute(task: StepTask, context: StepContext, window: Sequence[MonthWindow], tries: Sequence[RunningTask]) -> None:
    """As Prefect's task engine and the hooks of `steps/task.py` do it together."""
    for running in tries:
        start_execution(context.execution_id, running)
        try:
            result = task.fn(context, *window).data.as_json()
        except Exception as error:  # noqa: BLE001 - whatever it is, the row says it
            if is_transient(error) and running is not tries[-1]:
                continue
            fail_execution(running.task_run_id, describe_failure(Failed(data=error)), type(error).__name__)
        else:
            complete_execution(running.task_run_id, result)
        return


@dataclass(frozen=True)
class Left:
    """What the database holds."""

    ledger: Content
    void: frozenset[str]
    """Documents and periods that count no more; when they became void is never the same in two runs."""
    pending: dict[tuple[str, str, str], str]
    """`pending_errors`."""


def differences(found: Left, expected: Left) -> list[str]:
    """What is in the one and not in the other, each in a line that begins with the table; none if they are equal."""
    lines = [
        f"{sign} {table}: {row}"
        for table, wanted in expected.ledger.items()
        for sign, some, others in (("+", found.ledger[table], wanted), ("-", wanted, found.ledger[table]))
        for row in some
        if row not in others
    ]
    lines += [f"void: {each}" for each in sorted(found.void ^ expected.void)]
    return [*lines, *(f"error: {each}" for each in sorted(found.pending.items() ^ expected.pending.items()))]


def what_is_left() -> Left:
    """As of now."""
    ledger = ledger_content(get_engine(), {"invoice": {"voided_at"}, "service_period": {"voided_at"}})
    del ledger["integration_error"]
    documents, periods = rows(Invoice), rows(ServicePeriod)
    void = {row["external_id"] for row in (*documents, *periods) if row["voided_at"] is not None}
    return Left(ledger, frozenset(void), pending_errors())


def pending_errors() -> dict[tuple[str, str, str], str]:
    """Step, type and id of each error that waits for somebody -> its message."""
    return {
        (row["operation"], row["entity_type"], row["entity_external_id"]): row["error_message"]
        for row in rows(IntegrationError)
        if row["status"] == ErrorStatus.PENDING
    }


def results(executions: Sequence[SyncExecution]) -> dict[str, Any]:
    """Name -> result, of those that have one."""
    return {each.name: each.result for each in executions}
