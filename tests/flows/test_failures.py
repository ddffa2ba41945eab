"""What a flow run that fails says, in its state and in its log."""

import logging
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.artifacts import fails_in_words
from steps.errors import UsageError

pytestmark = pytest.mark.prefect
UNEXPECTED = "Engine execution exited with unexpected exception"


def _fail(server: str, error: Exception) -> State[Any]:
    @flow(name="fails")
    @fails_in_words
    def fails() -> State[None]:
        raise error

    with temporary_settings({PREFECT_API_URL: server}):
        state: State[Any] = fails(return_state=True)
    return state


def test_an_error_of_ours_is_its_message_alone(prefect_server: str, caplog: pytest.LogCaptureFixture) -> None:
    state = _fail(prefect_server, error := UsageError("2024-02 is closed"))

    assert (state.name, state.message) == ("Failed", "2024-02 is closed")
    assert state.result(raise_on_failure=False) is error
    assert not [record for record in caplog.records if record.exc_info]


def test_an_error_that_nobody_foresaw_keeps_its_class_and_its_traceback(
    prefect_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = _fail(prefect_server, KeyError("month"))

    assert "KeyError" in str(state.message)
    assert [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(("error", "is_logged"), [(UsageError("2024-02 is closed"), False), (KeyError("month"), True)])
def test_prefects_last_line_of_a_run_is_left_out_if_its_state_says_it_all(error: Exception, *, is_logged: bool) -> None:
    logger, told = logging.getLogger("prefect.flow_runs"), (type(error), error, None)
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 1, UNEXPECTED, (), told)

    assert bool(logger.filter(record)) is is_logged
