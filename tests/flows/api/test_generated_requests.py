"""Every route against whatever a generator makes of the OpenAPI document: no 5xx, nothing that is not documented."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig

from flows.api.app import create_app
from steps.sandbox.server import SandboxServer
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns
from tests.flows.api.rows import add_errors, add_executions

pytestmark = pytest.mark.slow

TOKEN = "a-token-for-generated-requests"
_AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
_CONFIG = SchemathesisConfig.from_dict(
    {
        # An end after its start, a day that the calendar has: a schema cannot say that, so 422 is no broken promise.
        # Nor is 409, where something is in the way of a close.
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "422"]},
            "ignored_auth": {"enabled": False},  # it guesses tokens, and who guesses has to wait: test_security.py
        }
    }
)
_APP = create_app(SyncSettings(api_token=SecretStr(TOKEN)), RecordedRuns())
schema = schemathesis.openapi.from_asgi("/api/openapi.json", _APP, config=_CONFIG, headers=_AUTHORIZED)


@pytest.fixture
def some_rows(database: str, academy: SandboxServer) -> None:
    """Something to find, to page through and to decide on; made once for all requests to one route."""
    add_executions(3)
    add_errors(3)


drawn = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@schema.parametrize()
@settings(drawn, max_examples=2, derandomize=True)
def test_no_request_gets_an_answer_that_is_not_documented(case: schemathesis.Case[Any], some_rows: None) -> None:
    case.call_and_validate(headers=_AUTHORIZED)


@pytest.mark.long
@schema.parametrize()
@settings(drawn, max_examples=15)
def test_none_of_many_requests_gets_an_answer_that_is_not_documented(
    case: schemathesis.Case[Any], some_rows: None
) -> None:
    case.call_and_validate(headers=_AUTHORIZED)


SEQUENCES, STEPS_OF_ONE = 30, 8


@pytest.mark.long
@pytest.mark.parametrize("chance", [1, 2])
def test_no_sequence_of_requests_gets_an_answer_that_is_not_documented(chance: int, some_rows: None) -> None:
    """Requests that use what earlier ones answered, such as ids and cursors; twice, by different chance."""

    class Sequence(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, _case: schemathesis.Case[Any]) -> dict[str, Any]:
            return {"headers": _AUTHORIZED}

    wanted = settings(drawn, max_examples=SEQUENCES, stateful_step_count=STEPS_OF_ONE)
    run_state_machine_as_test(seed(chance)(Sequence), settings=wanted)
