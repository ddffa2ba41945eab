"""What a flow run is called in Prefect: `import 2024-03..2024-06 from invoices`, `accruals 2024-03`, `retry 12 errors`.

Prefect gives a run that its scheduler makes a random name, and asks the flow for a better one only when the run starts.
`name_scheduled_runs` gives the runs to come theirs; the deployment `reconcile-executions/every-5-minutes` does it.
"""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import TypeAdapter

from flows.parameters import IMPORT_ORDER, AskedRange, resolve_accrual_range, resolve_range
from flows.plan import plan_retry
from steps.catalog import STEPS
from steps.settings import SyncSettings

Parameters = dict[str, Any]
"""Of a flow run: as the flow has them, or as JSON."""
_asked = TypeAdapter(AskedRange).validate_python


def run_name(flow_name: str, parameters: Parameters, scheduled: datetime) -> str:
    """The name of a run.

    A run whose parameters are refused fails with a message about them; its name is the plain one of its flow.

    Args:
        flow_name: As Prefect knows the flow.
        parameters: Of the run.
        scheduled: When it is, or was, to start.
    """
    plain, build = _NAMES[flow_name]
    try:
        return build(parameters, scheduled)
    except Exception:  # noqa: BLE001 - a name must not be what a run fails of: what is wrong is said where it is used
        return plain


def name_of_this_run() -> str:
    """For a flow's `flow_run_name`."""
    return run_name(str(runtime.flow_run.flow_name), runtime.flow_run.parameters, runtime.flow_run.scheduled_start_time)


def name_scheduled_runs(client: SyncPrefectClient) -> None:
    """Give runs that the scheduler made, and that have not started, the names they will have."""
    flows = {flow.id: flow.name for flow in client.read_flows(flow_filter=OUR_FLOWS)}
    scheduled = FlowRunFilter(state={"type": {"any_": [StateType.SCHEDULED]}})
    for run in client.read_flow_runs(flow_filter=OUR_FLOWS, flow_run_filter=scheduled):
        if not run.auto_scheduled or run.expected_start_time is None:
            continue
        name = run_name(flows[run.flow_id], run.parameters, run.expected_start_time)
        if name == run.name:
            continue
        try:
            client.update_flow_run(run.id, name=name)
        except PrefectHTTPStatusError as error:  # who changes its schedule deletes the runs that it made
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise


def _import_name(parameters: Parameters, scheduled: datetime) -> str:
    if plan := parameters.get("plan"):
        return f"import plan {plan}"
    span = resolve_range(_asked(parameters), scheduled, SyncSettings.load())
    return f"import {span} from {parameters.get('from_step') or IMPORT_ORDER[0].id}"


def _accruals_name(parameters: Parameters, scheduled: datetime) -> str:
    if plan := parameters.get("plan"):
        return f"accruals plan {plan}"
    return f"accruals {resolve_accrual_range(_asked(parameters), scheduled, SyncSettings.load())}"


def _step_name(parameters: Parameters, scheduled: datetime) -> str:
    step = STEPS[parameters["step"]]
    if not step.by_month:
        return step.id
    return f"{step.id} {resolve_range(_asked(parameters), scheduled, SyncSettings.load())}"


def _retry_name(parameters: Parameters, _: datetime) -> str:
    errors = parameters.get("errors") or plan_retry([], parameters.get("step")).error_ids
    return f"retry {len(errors)} error{'' if len(errors) == 1 else 's'}"


_NAMES: dict[str, tuple[str, Callable[[Parameters, datetime], str]]] = {
    "sync-import": ("import", _import_name),
    "process-accruals": ("accruals", _accruals_name),
    "execute-step": ("step", _step_name),
    "retry-errors": ("retry errors", _retry_name),
    "reconcile-executions": ("reconcile", lambda _parameters, _scheduled: "reconcile"),
}
"""Flow -> the name of a run whose parameters make no sense, and how one is made of those that do."""
OUR_FLOWS = FlowFilter(name={"any_": list(_NAMES)})
