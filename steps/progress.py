"""Progress of a run: the command line shows it, Prefect logs it."""

import logging
from typing import Any

PROGRESS_LOGGER = logging.getLogger(__name__)
"""Has the progress of every run of this process."""


class Progress:
    """Progress of one run."""

    def __init__(self, *others: "logging.Logger | logging.LoggerAdapter[Any]") -> None:
        """Args: `others` are loggers that hear of it besides `PROGRESS_LOGGER`."""
        self._loggers = (PROGRESS_LOGGER, *others)

    def update(self, message: str) -> None:
        """What is being done just now, such as `holded: 500 invoices read`: worth reading until the next message."""
        self._log(logging.DEBUG, message)

    def log(self, message: str, task_run_id: str | None = None) -> None:
        """What has ended, and how: worth reading to the end of the run; of a task run, in Prefect's log of it too."""
        self._log(logging.INFO, message, task_run_id)

    def log_failure(self, message: str, task_run_id: str) -> None:
        """What has failed, and why: an error in the log, so that who asks Prefect for those alone finds it."""
        self._log(logging.ERROR, message, task_run_id)

    def _log(self, level: int, message: str, task_run_id: str | None = None) -> None:
        for logger in self._loggers:
            logger.log(level, "%s", message, extra={"task_run_id": task_run_id} if task_run_id else {})


LOGGED = Progress()
"""Of whatever has no run."""
