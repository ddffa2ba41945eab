"""Whatever a vendor answers: the row says it, nothing else is touched, and the next good run makes everything whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import stamina

from steps.sandbox import fourgeeks, holded, notion
from steps.sandbox.exchange import Call
from steps.sandbox.server import PREFIXES, SandboxServer
from steps.vendors.http import RetryPolicy
from tests.faults.academy import changed
from tests.faults.conftest import BACKEND_TOKEN, Begin, Model
from tests.faults.endpoint import Endpoint
from tests.faults.run import IMPATIENT, QUICK, STEPS, differences, pending_errors, results, run_import, what_is_left
from tests.faults.wrong import CELLS, EVERY, Cell
from tracking.models import ExecutionStatus, SyncExecution

NOBODY = "http://127.0.0.1:9"
"""Where nothing listens."""
SECRETS = (holded.API_KEY, fourgeeks.PASSWORD, notion.TOKEN, BACKEND_TOKEN)
MOST_ALIKE = RetryPolicy().attempts * 2
"""Requests for each step that needs the answer: all attempts of a read, and all of its task's retry."""


REGRESSIONS = (
    "credit notes: rows without id",
    "invoice by id, deleted: 500",
    "contacts: 206, half of it",
    "pages: 522",
    "contacts: rows without id",
    "accounts: nothing but ids",
    "login: 10 MB in the first text",
    "contact by id: Latin-1 in a text",
    "account by id: NUL in a text",
    "invoice by id, moved: 10 MB in a name",
    "accounts: NaN",
)
"""Cells that once did not survive: they are always tried."""


def _sample() -> Iterator[str]:
    """Every third kind of fault but those that take seconds, each at another endpoint."""
    yield from (each.replace(" ", "_") for each in REGRESSIONS)
    for number, wrong in enumerate([each for each in EVERY if not each.hangs][::3]):
        fitting = [cell for cell in CELLS if cell.wrong is wrong]
        yield fitting[number % len(fitting)].id


SAMPLE = frozenset(_sample())
assert {cell.id for cell in CELLS} >= SAMPLE


def _parameters() -> Iterator[Any]:
    """All on SQLite, and the sample on PostgreSQL."""
    for cell in CELLS:
        in_sample = cell.id in SAMPLE
        yield pytest.param(cell, "sqlite", id=f"sqlite-{cell.id}", marks=[] if in_sample else [pytest.mark.long])
        if in_sample:
            yield pytest.param(cell, "postgresql", id=f"postgresql-{cell.id}", marks=[pytest.mark.long])


@pytest.mark.parametrize(("cell", "database"), list(_parameters()), indirect=["database"])
def test_a_fault_is_told_and_the_next_run_makes_the_ledger_whole(
    cell: Cell,
    academy: SandboxServer,
    begin: Begin,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    vendor, steps = cell.endpoint.vendor, STEPS[cell.endpoint.vendor]
    for name, value in {
        "fault": cell.wrong.name,
        "endpoint": cell.endpoint.name,
        "column": cell.endpoint.column,
        "database": database.partition(":")[0],
    }.items():
        record_property(name, value)
    academy.modes.notion_several_sources = cell.endpoint.several_sources
    expected = begin(vendor)
    if vendor == "backend":
        monkeypatch.setenv("SYNC_BACKEND_URL", academy.base_url + PREFIXES["backend"])

    with going_wrong(cell, academy) as asked:
        executions = run_import(steps, IMPATIENT if cell.wrong.hangs else QUICK)

    told = dict(pending_errors().items() - expected.left.pending.items())
    record_property("row", said_of(executions, cell.endpoint))
    record_property("error", "; ".join(message for _, message in sorted(told.items())))
    assert_told(cell, executions, told, expected)
    assert max(asked.values(), default=0) <= MOST_ALIKE * len(cell.endpoint.steps), asked.most_common(3)

    healed = run_import(steps)

    assert [each.name for each in healed if each.status != ExecutionStatus.COMPLETED] == []
    wrong = differences(what_is_left(), expected.left)
    assert not wrong, "\n".join(each[:1200] for each in wrong)
    if vendor == "backend":
        assert results(healed) == expected.results


@contextmanager
def going_wrong(cell: Cell, academy: SandboxServer) -> Iterator[Counter[tuple[Any, ...]]]:
    """The fault, and how often each request was made to its path."""
    wrong, vendor = cell.wrong, cell.endpoint.vendor
    asked: Counter[tuple[Any, ...]] = Counter()
    fault = wrong.at(academy, cell.endpoint)

    def counted(call: Call) -> bool:
        asked[call.method, call.path, *sorted(call.query.items()), call.content] += 1
        return fault.when is None or fault.when(call)

    academy.faults.add(replace(fault, when=counted))
    with (
        pytest.MonkeyPatch.context() as patch,
        stamina.set_testing(vendor == "backend", attempts=RetryPolicy().attempts, cap=True),
    ):
        if vendor == "backend" and wrong.hangs:
            patch.setenv("SYNC_BACKEND_TIMEOUT", "0.4")
        if wrong.refuses:
            patch.setenv("SYNC_BACKEND_URL" if vendor == "backend" else f"{vendor.upper()}_BASE_URL", NOBODY)
        yield asked
    academy.faults.clear()
    academy.world = changed()


def said_of(executions: list[SyncExecution], endpoint: Endpoint) -> str:
    """The row of the first step that needs the endpoint, in words."""
    row = next(each for each in executions if each.step_name in {step.id for step in endpoint.steps})
    if row.status == ExecutionStatus.FAILED:
        return f"failed: {row.error_message}"
    errors = (row.result or {}).get("errors", 0)
    return f"completed, {errors} errors" if errors else "completed"


def assert_told(
    cell: Cell, executions: list[SyncExecution], told: dict[tuple[str, str, str], str], expected: Model
) -> None:
    """Only steps that need the endpoint fail, and say why; what is not as it should be is told by a row or an error."""
    endpoint = cell.endpoint
    reached = {step.id for step in (STEPS[endpoint.vendor] if cell.wrong.refuses else endpoint.steps)}
    failed = [each for each in executions if each.status != ExecutionStatus.COMPLETED]
    assert {each.step_name for each in failed} <= reached
    for each in failed:
        assert each.status == ExecutionStatus.FAILED
        said = each.error_message or ""
        assert said.startswith(f"{endpoint.vendor}: ") or "more than SYNC_ERROR_BUDGET" in said, said
    for (step, _, _), message in told.items():
        assert step in {each.id for each in STEPS[endpoint.vendor]}
        assert message
    shown = [*(each.error_message or "" for each in failed), *told.values()]
    assert not any(secret in text for secret in SECRETS for text in shown)
    if not cell.wrong.cannot_be_told:
        assert failed or told or what_is_left() == expected.left
