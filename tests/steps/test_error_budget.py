"""Too many records in trouble are no success: the step fails, applies nothing, and says which records they were."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from steps.errors import ConfigError, ErrorBudgetError
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer
from steps.settings import ErrorBudget, SyncSettings
from tests.steps.calls import sync_invoices, sync_notion_external_ids, sync_service_periods
from tests.steps.ledger_view import LedgerView, rows
from tests.steps.records import FULL_STACK, contact, enrollment, invoice, month, page
from tracking.database import write_session
from tracking.models import IntegrationError, SyncExecution

JANUARY = month(1)


def academy(broken: int, of: int, **lists: list[Any]) -> World:
    """Invoices of January, some of them with a total that nobody can read."""
    invoices = [
        invoice(number, date(2024, 1, 5), raw={"total": "1.234,56"} if number <= broken else {})
        for number in range(1, of + 1)
    ]
    fields: dict[str, Any] = {"accounts": [FULL_STACK], "contacts": [contact()], "invoices": invoices, **lists}
    return World(year=2024, academies=[MADRID_SCHOOL], **fields)


def an_execution() -> int:
    with write_session() as session:
        execution = SyncExecution(step_name="invoices", status="running", holds_window=True)
        session.add(execution)
        session.flush()
        assert execution.id is not None
        return execution.id


def test_a_window_over_the_budget_applies_nothing_and_keeps_its_errors(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = academy(broken=6, of=10)
    execution_id = an_execution()

    with pytest.raises(ErrorBudgetError) as failure:
        sync_invoices(JANUARY, execution_id)

    assert str(failure.value).startswith("6 of 10 records are in trouble, more than SYNC_ERROR_BUDGET=50% allows")
    assert "\n" not in str(failure.value)
    assert (LedgerView().invoices(), LedgerView().clients()) == ({}, {})
    assert LedgerView().errors() == {("invoice", f"d{number}") for number in range(1, 7)}
    assert {row["sync_execution_id"] for row in rows(IntegrationError)} == {execution_id}
    assert [row["details"] for row in rows(SyncExecution)] == [{}]


@pytest.mark.parametrize(("broken", "of"), [(5, 10), (8, 9)])
def test_half_of_a_window_and_most_of_a_small_one_are_within_the_budget(
    broken: int, of: int, sandbox: SandboxServer
) -> None:
    sandbox.world = academy(broken, of)

    result = sync_invoices(JANUARY)

    assert (result["invoices_created"], result["errors"]) == (of - broken, broken)


@pytest.mark.parametrize(("budget", "fails"), [("2", True), ("3", False), ("0", True), ("20%", True), ("30%", False)])
def test_the_budget_is_a_share_or_a_number(
    budget: str, fails: bool, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_ERROR_BUDGET", budget)
    sandbox.world = academy(broken=3, of=10)

    if fails:
        with pytest.raises(ErrorBudgetError, match=f"3 of 10 .* SYNC_ERROR_BUDGET={budget} allows"):
            sync_invoices(JANUARY)
    else:
        assert sync_invoices(JANUARY)["errors"] == 3


def test_a_window_that_is_over_the_budget_again_resolves_nothing(sandbox: SandboxServer) -> None:
    sandbox.world = academy(broken=4, of=20)
    sync_invoices(JANUARY)
    world = academy(broken=20, of=20)
    world.invoices[0] = invoice(1, date(2024, 1, 5))
    sandbox.world = world

    with pytest.raises(ErrorBudgetError):
        sync_invoices(JANUARY)

    assert ("invoice", "d1") in LedgerView().errors()
    assert len(LedgerView().errors()) == 20


def test_documents_that_are_gone_do_not_weigh(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.world = academy(broken=0, of=40)
    sync_invoices(JANUARY)
    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    sandbox.world = academy(broken=0, of=12)

    assert sync_invoices(JANUARY)["other_errors"] == 28


def test_unreadable_enrollments_are_weighed_against_the_whole_list(sandbox: SandboxServer) -> None:
    broken = [enrollment(number, raw={"user": None}) for number in range(1, 12)]
    fine = [enrollment(number) for number in range(100, 112)]
    sandbox.world = academy(broken=0, of=1, enrollments=[*broken, *fine])
    sync_invoices(JANUARY)
    with pytest.raises(ErrorBudgetError, match="11 of 12 records"):
        sync_service_periods(JANUARY)  # one person twelve times in one cohort: eleven too many

    sandbox.world = academy(broken=0, of=1, enrollments=[*broken, *fine[:1]])
    with pytest.raises(ErrorBudgetError, match="11 of 12 records"):
        sync_service_periods(JANUARY)

    sandbox.world = academy(broken=0, of=1, enrollments=[*broken[:5], *fine[:5]])
    assert sync_service_periods(JANUARY)["errors"] == 5 + 4


def test_pages_have_the_same_budget(sandbox: SandboxServer) -> None:
    number = {"Email": {"id": "aB%3Ac", "type": "number", "number": 5}}
    sandbox.world = academy(broken=0, of=1, pages=[page(each, raw=number) for each in range(10)])

    with pytest.raises(ErrorBudgetError, match="10 of 10 records"):
        sync_notion_external_ids()


def test_what_people_ask_to_be_tried_again_has_no_budget(sandbox: SandboxServer) -> None:
    sandbox.world = academy(broken=10, of=10)
    keys = frozenset(("invoice", f"d{number}") for number in range(1, 11))

    assert sync_invoices(JANUARY, records=keys)["errors"] == 10


@pytest.mark.parametrize("text", ["", "half", "-1", "50 %%", "101%", "1.5", "1e3", "%"])
def test_what_is_no_budget_is_refused_without_showing_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="such as 50%"):
        ErrorBudget.parse(text)
    if text:
        monkeypatch.setenv("SYNC_ERROR_BUDGET", text)
        with pytest.raises(ConfigError, match=r"^SYNC_ERROR_BUDGET: .*a share of the records such as 50%"):
            SyncSettings.load()


def test_a_budget_is_exact() -> None:
    assert ErrorBudget.parse(" 12.5% ") == ErrorBudget(Decimal("12.5"), is_share=True)
    assert not ErrorBudget.parse("12.5%").is_exceeded(2, 16)
    assert ErrorBudget.parse("12.5%").is_exceeded(3, 16)
