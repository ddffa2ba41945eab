"""What came of a step over its months, as one answer."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from flows.api.answers import ExecutionAnswer, StepOutcome
from tracking.execution import OPEN_STATUSES, ExecutionStatus, SyncExecution

_WRITTEN = frozenset({"reason", "by"})


def outcome_of(executions: Sequence[SyncExecution]) -> StepOutcome:
    """One run of one step; at least one execution."""
    failures = [f"{each.name}: {each.error_message}" for each in executions if each.status == ExecutionStatus.FAILED]
    results = [each.result for each in executions if each.result is not None]
    first = executions[0]
    answer: dict[str, Any] = {
        "step_name": first.step_name,
        "status": status_of(executions),
        "started_at": min((each.started_at for each in executions if each.started_at), default=None),
        "completed_at": max((each.completed_at for each in executions if each.completed_at), default=None),
        "execution_id": first.id,
        "result": sum_results(results) if results else None,
    }
    if failures:
        answer["error_message"] = "; ".join(failures)
    if len(executions) > 1:
        answer["executions"] = [ExecutionAnswer.of(each) for each in executions]
    return StepOutcome(**answer)


def status_of(executions: Iterable[SyncExecution]) -> ExecutionStatus:
    """Of all of them together: still running, failed if any failed, else completed."""
    statuses = {each.status for each in executions}
    if not statuses or statuses == {ExecutionStatus.PENDING}:
        return ExecutionStatus.PENDING
    if statuses & set(OPEN_STATUSES):
        return ExecutionStatus.RUNNING
    return ExecutionStatus.FAILED if ExecutionStatus.FAILED in statuses else ExecutionStatus.COMPLETED


def sum_results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results of several months as one of the same shape.

    Counts and amounts are added up, lists are put one after the other; of anything else (a month, values of different
    kinds) the first stands.
    """
    names = dict.fromkeys(name for result in results for name in result)
    return {name: _sum_of(name, [result[name] for result in results if name in result]) for name in names}


def _sum_of(name: str, values: Sequence[Any]) -> Any:
    """What a person wrote is never an amount, whatever it looks like."""
    return values[0] if name in _WRITTEN else _sum(values)


def _sum(values: Sequence[Any]) -> Any:
    first = values[0]
    if len(values) == 1 or isinstance(first, bool):
        return first
    if all(isinstance(value, Mapping) for value in values):
        return sum_results(values)
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    if all(isinstance(value, int | float) for value in values):
        return sum(values)
    return _sum_of_amounts(values)


def _sum_of_amounts(values: Sequence[Any]) -> Any:
    """Amounts travel as texts; a text that is none stands for itself."""
    try:
        return str(sum((Decimal(value) for value in values), Decimal("0.00")))
    except (InvalidOperation, TypeError, ValueError):
        return values[0]
