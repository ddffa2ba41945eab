"""Executions in words for people: what a step did, how long it took."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.page.texts import Texts
from tracking.execution import SyncExecution


def result_text(texts: Texts, result: Mapping[str, Any]) -> str:
    """A result's counts: `invoices created 12, errors 2`; what is zero is left out."""
    return ", ".join(f"{name} {value}" for name, value in result_counts(texts, result) if value not in {"0", "0.00"})


def result_counts(texts: Texts, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each count of a result by its name in words; what is no count is for the downloads."""
    for key, value in result.items():
        if isinstance(value, bool) or not isinstance(value, int | str) or key == "period_start_date":
            continue
        yield _name(texts, key), str(value)


def outcome_text(texts: Texts, execution: SyncExecution) -> str:
    """Why an execution failed, or what it did; empty while nobody knows."""
    if execution.error_message:
        return execution.error_message
    if execution.result is None:
        return ""
    return result_text(texts, execution.result) or texts("execution.nothing")


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
