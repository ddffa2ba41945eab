"""Cancelling from Prefect's UI a run that no runner watches over: the run notices by itself.

A runner kills the process of a run that is to be cancelled. A run that was started from the command line has none: a
thread asks Prefect now and then, and interrupts the main thread as Ctrl-C would.
"""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

_CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}
_SECONDS_BETWEEN_LOOKS = 5.0
_TIMEOUT_SECONDS = 5.0
_log = logging.getLogger(__name__)


class CancellationWatch:
    """Asks Prefect whether its run is to be cancelled."""

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = UUID(flow_run_id)
        self._can_interrupt = threading.current_thread() is threading.main_thread()
        self._context = copy_context()  # a thread starts without Prefect's settings of this one
        self._stop = threading.Event()
        self._interrupted = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask every few seconds inside the block; interrupt the main thread, even in a request, when cancelled."""
        thread = threading.Thread(target=self._context.copy().run, args=(self._watch,), daemon=True)
        if self._can_interrupt:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()  # the thread is not waited for: a Prefect server may hang

    def is_requested(self) -> bool:
        """Whether the run is to be cancelled, as far as Prefect answers; also when its runner killed it for that."""
        if self._interrupted:
            return True
        try:
            return self._context.copy().run(self._is_to_be_cancelled)
        except Exception as error:  # noqa: BLE001 - the run is ending; how Prefect fails is not what matters now
            _log.warning("Prefect does not say whether the run was cancelled: %s", error)
            return False

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                requested = self._is_to_be_cancelled()
            except Exception as error:  # noqa: BLE001 - it is asked again at the next look
                _log.debug("Prefect does not say whether the run was cancelled: %s", error)
                continue
            if requested and not self._stop.is_set():
                self._interrupted = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return

    def _is_to_be_cancelled(self) -> bool:
        short = {PREFECT_API_REQUEST_TIMEOUT: _TIMEOUT_SECONDS, PREFECT_CLIENT_MAX_RETRIES: 0}
        with temporary_settings(short), get_client(sync_client=True) as client:
            return client.read_flow_run(self._flow_run_id).state_type in _CANCELLED
