"""A flow that fails of what we foresaw: its state says why in words, and its log has no traceback of it.

Prefect would put the name of a class before the reason, and log what the run's own lines say already twice more, with
the calls of Prefect itself. What nobody foresaw keeps all of that.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun
from prefect.states import Failed

from steps.errors import speaks_for_itself

_Parameters = ParamSpec("_Parameters")


def fails_in_words(function: Callable[_Parameters, State[None]]) -> Callable[_Parameters, State[None]]:
    """The function of a flow, which answers an error of ours as a failed state with just its message."""

    @wraps(function)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> State[None]:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not speaks_for_itself(error):
                raise
            state: State[Any] = Failed(data=error, message=str(error))
            return state

    return run


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Prefect's about a flow run says more than its state does."""
    line = record.getMessage()
    if line.startswith("Engine execution exited with unexpected exception"):
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, FailedRun) and not speaks_for_itself(error)
    return line != "Finished in state Running()"  # of a run that was cancelled, while its end is on its way


logging.getLogger("prefect.flow_runs").addFilter(_is_news)
