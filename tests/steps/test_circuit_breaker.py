"""Who is asked how often in a run, when answers fail after all attempts; and what stays inside its month."""

from collections.abc import Callable
from functools import partial

import pytest

from steps.errors import SyncError, VendorDownError, VendorUnavailableError
from steps.sandbox.exchange import Call
from steps.sandbox.faults import Fault
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from steps.sources import CircuitBreaker
from tests.steps.calls import one_run, sync_crm_clients, sync_invoices
from tests.steps.records import month
from tests.steps.year_import import YEAR

pytestmark = [pytest.mark.sqlite_first, pytest.mark.usefixtures("without_waits")]


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = build_world(clients=20)


def import_each(*months: int) -> list[str]:
    """What became of each month's invoices: the class of the error, or `done`."""
    return [outcome(partial(sync_invoices, month(number))) for number in months]


def outcome(step: Callable[[], object]) -> str:
    try:
        step()
    except SyncError as error:
        return type(error).__name__
    return "done"


def covers(number: int) -> Callable[[Call], bool]:
    """Whether a request asks for the middle of a month, alone or in a wider range."""
    middle = 1705276800 + (number - 1) * 30 * 86400
    return lambda call: int(call.query["starttmp"]) <= middle < int(call.query["endtmp"])


def test_a_vendor_that_is_down_is_asked_for_the_range_for_one_month_and_once_more(sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault("holded", "503", times=None))

    with one_run(YEAR):
        assert import_each(*range(1, 13)) == ["VendorDownError"] * 12

    assert len(sandbox.requests) == 4 + 4 + 1


@pytest.mark.parametrize("broken", [1, 2, 12])
def test_a_month_that_the_vendor_cannot_answer_fails_alone_wherever_it_is(sandbox: SandboxServer, broken: int) -> None:
    sandbox.faults.add(Fault("holded", "500", "/documents/invoice", times=None, when=covers(broken)))

    with one_run(YEAR):
        outcomes = import_each(*range(1, 13))

    assert [number for number, each in enumerate(outcomes, 1) if each != "done"] == [broken]


def test_a_list_that_failed_twice_is_not_asked_for_a_third_time(sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault("fourgeeks", "500", "/auth/academy/student", times=None))

    with one_run(YEAR):
        outcomes = [outcome(lambda: sync_crm_clients(month(1))) for _ in range(4)]

    assert outcomes == ["VendorUnavailableError", *["VendorDownError"] * 3]
    assert len([each for each in sandbox.requests if each.path == "/auth/academy/student"]) == 2 * 2


def test_a_vendor_that_is_down_is_asked_again_in_the_next_run(sandbox: SandboxServer) -> None:
    sandbox.faults.add(Fault("holded", "503", times=None))
    with one_run(YEAR):
        import_each(1, 2, 3)
    sandbox.faults.clear()

    with one_run(YEAR):
        assert import_each(1, 2, 3) == ["done"] * 3


def test_the_reason_names_the_request_and_what_was_answered() -> None:
    breaker = CircuitBreaker()
    first = breaker.failed("a", VendorUnavailableError("acme", "GET /a", "503 (maintenance)", status=503))
    second = breaker.failed("b", VendorUnavailableError("acme", "GET /b", "no answer in time"))

    assert str(first) == "acme: GET /a: 503 (maintenance)"
    assert str(second) == "acme: not asked again in this run: GET /b: no answer in time"
    with pytest.raises(VendorDownError, match="not asked again in this run: GET /a: 503") as caught:
        breaker.require("a")
    assert caught.value.status == 503
    breaker.require("c")
