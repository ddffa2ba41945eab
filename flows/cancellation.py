"""Cancelling from Prefect's UI a run that no runner watches over: the run notices by itself.

A runner kills the process of a run that is to be cancelled. A run that was started from the command line has none: its
heartbeat looks at Prefect's view of it, and interrupts the main thread as Ctrl-C would.
"""

import signal
import threading
from contextvars import copy_context
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

_CANCELLED = {StateType.CANCELLING, StateType.CANCELLED}


class CancellationWatch:
    """Asks now and then whether its run is to be cancelled; `look` belongs into a thread of its own."""

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = UUID(flow_run_id)
        self._can_interrupt = threading.current_thread() is threading.main_thread()
        self._context = copy_context()  # a thread starts without Prefect's settings of this one
        self.requested = False
        """Whether the run was interrupted because Prefect was told to cancel it."""

    def look(self) -> None:
        """Ask once; interrupt the main thread, out of a request too, if the run is to be cancelled."""
        if self._can_interrupt and not self.requested and self._context.run(self._is_to_be_cancelled):
            self.requested = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _is_to_be_cancelled(self) -> bool:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(self._flow_run_id).state_type in _CANCELLED
