"""Executions in words for people: what a step did or why it failed, how long it took, where a month stands and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flows.assessment import Assessment, CellState
from flows.page.texts import Texts
from flows.reasons import told_by_reason
from steps.report import amount_accrued_of
from tracking.execution import ExecutionStatus, SyncExecution

REASONS_NAMED = 3


def result_text(texts: Texts, result: Mapping[str, Any]) -> str:
    """A result's counts: `invoices created 12, errors 2`; what is zero is left out."""
    return ", ".join(f"{name} {value}" for name, value in result_counts(texts, result) if value not in {"0", "-"})


def result_counts(texts: Texts, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each count of a result by its name in words; what is no count is for the downloads."""
    for key, value in result.items():
        if key == "summary" and isinstance(value, Mapping):
            yield from result_counts(texts, value)
        elif key == "amount_accrued" and (accrued := amount_accrued_of(result)) is not None:
            yield _name(texts, key), texts.money(accrued)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield _name(texts, key), str(value)


def outcome_text(texts: Texts, execution: SyncExecution) -> str:
    """What an execution did; empty for one that did not complete."""
    if execution.result is None:
        return ""
    return result_text(texts, execution.result) or texts("execution.nothing")


def failures_text(texts: Texts, name: str, executions: Sequence[SyncExecution]) -> str:
    """`Sync Invoices: 4 of 13 failed: ...`: how many of a run have failed; for each reason, of which months it is."""
    failures = [each for each in executions if each.status == ExecutionStatus.FAILED]
    told = told_by_reason((_cell_text(texts, each), each.error_message or "") for each in failures)
    more = [texts("run.failed.more", count=len(told) - REASONS_NAMED)] if len(told) > REASONS_NAMED else []
    summary = texts("run.failed", step=name, failed=len(failures), total=len(executions))
    return f"{summary}: {'; '.join([*told[:REASONS_NAMED], *more])}"


def _cell_text(texts: Texts, execution: SyncExecution) -> str:
    """Of a run of one step, the month says it."""
    return texts.month(execution.window_start) if execution.window_start else texts.cell(execution.step_name, None)


def standing_text(texts: Texts, assessment: Assessment) -> str:
    """Why a step and month stand as they do, as far as it is not said by the error of a failed one."""
    if assessment.state is CellState.missing:
        return texts("why.missing")
    if assessment.state is not CellState.stale:
        return ""
    if (source := assessment.source) is None:
        return texts("why.early")
    return texts("why.changed", name=texts.cell(source.step_name, source.window_start), id=source.id)


def took_text(texts: Texts, execution: SyncExecution) -> str:
    """How long it took."""
    if execution.started_at is None or execution.completed_at is None:
        return ""
    return texts("seconds", seconds=f"{(execution.completed_at - execution.started_at).total_seconds():.1f}")


def _name(texts: Texts, key: str) -> str:
    """`invoices_created` in the reader's language, as far as its words are known."""
    if whole := texts.known(f"result.{key}"):
        return whole
    return " ".join(texts.known(f"result.{word}") or word for word in key.split("_"))
