"""What holds before each request: limits that all runs share, when there are any, and the time limit of the run."""

import pytest
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import run_steps
from flows.run_steps import TimeLimit, throttle_of
from steps.errors import RunTimeLimitError
from tests.flows.conftest import prefect_client

pytestmark = pytest.mark.prefect


def test_a_global_limit_of_a_vendors_name_is_obeyed_and_others_are_not_asked(prefect_server: str) -> None:
    with prefect_client(prefect_server) as client:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name="notion", limit=2, slot_decay_per_second=0.5)
        )
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name="holded", limit=0))
        try:
            throttle = throttle_of(TimeLimit.from_now(1))
            throttle("notion")
            throttle("holded")
            used = client.read_global_concurrency_limit_by_name("notion").active_slots
        finally:
            client.delete_global_concurrency_limit_by_name("notion")
            client.delete_global_concurrency_limit_by_name("holded")

    assert used == 1


def test_without_limits_nothing_is_asked(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []  # a limit that does not exist leaves no trace in Prefect when it is asked for
    monkeypatch.setattr(run_steps, "rate_limit", lambda name, **_: asked.append(name))

    with temporary_settings({PREFECT_API_URL: prefect_server}):
        throttle_of(TimeLimit.from_now(1))("notion")

    assert asked == []


def test_when_the_runs_time_is_over_no_vendor_is_asked_any_more(prefect_server: str) -> None:
    over = TimeLimit(6.0, ends_at=0.0)

    with temporary_settings({PREFECT_API_URL: prefect_server}):
        throttle = throttle_of(over)
    with pytest.raises(RunTimeLimitError, match=r"time limit of 6 h \(SYNC_RUN_HOURS\)"):
        throttle("holded")
