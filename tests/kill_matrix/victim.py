"""`sync-actions` that is hit at a point. The program has no hooks for tests: its named points are wrapped from outside.

`python -m tests.kill_matrix.victim ARGUMENTS`, with the disturbance in `KILL_MATRIX_DISTURBANCE`.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import httpx
from sqlmodel import Session

from steps.sources import VendorReads
from tests.kill_matrix.disturbance import DISTURBANCE_VARIABLE, Disturbance, Kind, Place
from tests.kill_matrix.striking import strike
from tracking import database, locks

_LOCK_WAIT_SECONDS = 1
"""How long a victim waits for a locked database; nobody learns more from a minute."""
_OUTAGE_SECONDS = 2
"""How long it waits for a database that is gone: it stays gone until the run has ended."""


_LISTS = {"invoices": "/documents/invoice", "crm-clients": "/academy/student", "notion-external-id": "/query"}
"""Step -> a part of the path of its list. Lists are read ahead: the answer arrives when the step waits for it."""
_AT_WORK_SECONDS = 60


class Ambush:
    """Waits at one place for one cell."""

    def __init__(self, disturbance: Disturbance) -> None:
        self._disturbance, self._cell = disturbance, ""
        self._is_at_work = Event()

    def lay(self) -> None:
        """Wrap the points of the program."""
        if self._disturbance.kind is Kind.DATABASE_LOCKED:
            database.LOCK_WAIT_SECONDS = _LOCK_WAIT_SECONDS
        if self._disturbance.kind is Kind.DATABASE_GONE:
            locks.DATABASE_OUTAGE_SECONDS = _OUTAGE_SECONDS
        self._around_transactions()
        self._around_the_run()
        self._around_hooks()
        self._around_requests()

    def _reach(self, place: Place, session: Session | None = None) -> None:
        if place is self._disturbance.place and self._disturbance.cell in {"", self._cell}:
            strike(self._disturbance, session)

    def _around(self, owner: Any, name: str, before: Place, after: Place) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            self._reach(before)
            answer = real(*arguments, **named)
            self._reach(after)
            return answer

        self._replace(owner, name, wrapped)

    def _replace(self, owner: Any, name: str, by: Callable[..., Any]) -> None:
        setattr(owner, name, by)

    def _around_transactions(self) -> None:
        real = database.write_session

        @contextmanager
        def write_session() -> Iterator[Session]:
            with real() as session:
                self._reach(Place.TRANSACTION_BEGUN, session)
                yield session
                self._reach(Place.BEFORE_COMMIT, session)
            self._reach(Place.AFTER_COMMIT)

        for module in [module for name, module in sys.modules.items() if name.startswith(("steps.", "tracking."))]:
            if getattr(module, "write_session", None) is real:
                self._replace(module, "write_session", write_session)

    def _around_the_run(self) -> None:
        from flows import run_steps

        self._around(run_steps, "plan_executions", Place.BEFORE_PLAN, Place.AFTER_PLAN)
        real = run_steps._run_step

        def run_cell(cell: Any, *others: Any) -> Any:
            self._cell = cell.name
            self._reach(Place.BEFORE_CELL)
            failure = real(cell, *others)
            self._reach(Place.AFTER_CELL)
            return failure

        self._replace(run_steps, "_run_step", run_cell)

    def _around_hooks(self) -> None:
        from steps import task

        self._around(task, "start_execution", Place.IN_START_HOOK, Place.AFTER_START_HOOK)
        self._around(task, "complete_execution", Place.IN_END_HOOK, Place.AFTER_END_HOOK)

    def _around_requests(self) -> None:
        """The answer has begun to arrive, and nobody has read it."""
        vendors = httpx.URL(os.environ["HOLDED_BASE_URL"])
        real = httpx.HTTPTransport.handle_request

        def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            response = real(transport, request)
            if (request.url.host, request.url.port) == (vendors.host, vendors.port):
                listed = _LISTS.get(self._disturbance.cell.partition(" ")[0])
                if self._disturbance.place is Place.IN_REQUEST and listed is not None and listed in request.url.path:
                    self._is_at_work.wait(_AT_WORK_SECONDS)
                self._reach(Place.IN_REQUEST)
            return response

        self._replace(httpx.HTTPTransport, "handle_request", handle_request)
        real_read = VendorReads._read_now_or_ahead

        def read(*arguments: Any, **named: Any) -> Any:
            if self._cell == self._disturbance.cell:
                self._is_at_work.set()
            return real_read(*arguments, **named)

        self._replace(VendorReads, "_read_now_or_ahead", read)


def lie_in_wait() -> None:
    """Lay the ambush that the environment tells of, if any."""
    if told := os.environ.get(DISTURBANCE_VARIABLE):
        Ambush(Disturbance.of_json(told)).lay()


def main() -> None:
    """The console script, in the ambush."""
    from flows.prefect_server import quiet_prefect

    quiet_prefect()  # before Prefect is imported
    from flows import process_accruals, sync_import  # noqa: F401 - so that every point is there to be wrapped
    from flows.cli.app import main as command

    lie_in_wait()
    command()


if __name__ == "__main__":
    main()
