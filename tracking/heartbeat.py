"""The sign of life: while a run works, a thread touches its open executions, and ends those of dead runs it sees."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from tracking.database import tracking_statement
from tracking.lease import BEAT_SECONDS
from tracking.repair import end_dead_executions
from tracking.statements import change

_log = logging.getLogger(__name__)


@contextmanager
def heartbeat(flow_run_id: str, on_beat: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep the run's leases alive inside the block.

    Args:
        flow_run_id: The run that this process works on.
        on_beat: Called at each beat, in the heartbeat's thread; what it raises is logged, and the heart goes on.
    """
    stop = Event()

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            try:
                touch(flow_run_id)
                end_dead_executions()
            except SQLAlchemyError:
                pass  # the database may be back at the next beat; if not, the work itself will say so
            _call(on_beat)

    thread = Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _call(on_beat: Callable[[], None] | None) -> None:
    try:
        if on_beat is not None:
            on_beat()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong there, the lease must be kept
        _log.warning("at a heartbeat: %s", error)


def touch(flow_run_id: str) -> bool:
    """Say that the run's owner is alive. Whether any of its executions is open."""
    with tracking_statement() as connection:
        return change(connection, "touch", flow_run_id_=flow_run_id)
