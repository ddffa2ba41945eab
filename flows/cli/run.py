"""Commands that run something: the import, accruals, a plan, records again; with the sandbox if asked.

The temporary Prefect server is booted first of all, and meanwhile the rest is imported: each takes seconds.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from getpass import getuser
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from flows.cli.app import ExitStatus, importing
from flows.parameters import ImportStep, Only, TypedOptions
from flows.prefect_server import prefect_api, quiet_prefect
from steps.catalog import ACCRUALS
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.progress import PROGRESS_LOGGER

if TYPE_CHECKING:
    from steps.sandbox.server import SandboxServer


class RunView(logging.Handler):
    """Progress of a run on standard error: a line for each thing that ended, a moving one for what is going on."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._title = title

    def __enter__(self) -> "RunView":
        self._console.print(Text(self._title, style="bold"))
        if self._console.is_terminal:
            self._status = self._console.status("starting")
            self._status.start()
        PROGRESS_LOGGER.setLevel(logging.DEBUG)
        PROGRESS_LOGGER.propagate = False
        PROGRESS_LOGGER.addHandler(self)
        return self

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message: for good, or until the next one."""
        message = record.getMessage()
        if record.levelno >= logging.INFO:
            self._console.print(Text(message, style="red" if "FAILED" in message else ""))
        elif self._status is not None:
            self._status.update(Text(message, style="cyan"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        PROGRESS_LOGGER.removeHandler(self)
        PROGRESS_LOGGER.propagate = True
        PROGRESS_LOGGER.setLevel(logging.NOTSET)
        if self._status is not None:
            self._status.stop()


_LOCAL_RATE = "1000"
"""Requests a second: a server on loopback has no quota."""


def use_sandbox_database() -> bool:
    """Point `SYNC_DATABASE_URL` to the sandbox's own database, unless it is set. Whether it was not."""
    if os.environ.get("SYNC_DATABASE_URL"):
        return False
    from tracking.settings import default_database_url

    os.environ["SYNC_DATABASE_URL"] = default_database_url("sandbox")
    return True


@contextmanager
def sandboxed() -> "Iterator[SandboxServer]":
    """Serve the academy on loopback and let the environment point to it.

    Raises:
        UsageError: a remote backend is configured; it would ask the real vendors.
    """
    from steps.sandbox.server import serve_sandbox
    from steps.sandbox.world import build_world
    from steps.settings import SyncSettings

    settings: SyncSettings = SyncSettings.load()
    if settings.backend_url:
        raise UsageError("--sandbox does not go with SYNC_BACKEND_URL: unset the one or leave out the other")
    use_sandbox_database()
    with serve_sandbox(build_world()) as server:
        rates = {f"{vendor}_RATE": _LOCAL_RATE for vendor in ("HOLDED", "FOURGEEKS", "NOTION")}
        os.environ.update(server.environment | rates)
        yield server


def run(options: TypedOptions, step: str, span: MonthWindow, *, sandbox: bool, as_json: bool) -> ExitStatus:
    """Run the flow of options that were understood, and show what came of it."""
    what = "Accruals" if step == ACCRUALS.id else f"Import from {step}"
    which = f", only what is {options.only}" if options.only else f", plan {options.plan}" if options.plan else ""
    where = ", on the sandbox" if sandbox else ""
    state = run_flow(f"{what}, {span}{which}{where}", lambda: _start_flow(options, step, span), sandbox=sandbox)
    return _show(state, as_json=as_json)


def run_demo() -> ExitStatus:
    """Import the sandbox academy's default year, then accrue it, on one Prefect server."""
    options = TypedOptions()
    step, span = options.resolve()

    def start() -> list[Any]:
        states = [_start_flow(options, step, span)]
        if states[0].is_completed():
            states.append(_start_flow(TypedOptions(ACCRUALS.id), ACCRUALS.id, span))
        return states

    states = run_flow(f"Import and accruals, {span}, on the sandbox", start, sandbox=True)
    return [_show(state, as_json=False) for state in states][-1]


def _show(state: Any, *, as_json: bool) -> ExitStatus:
    from flows.cli.output import show_outcome

    show_outcome(str(state.state_details.flow_run_id), str(state.name), state.message, as_json=as_json)
    if state.is_cancelled():
        return ExitStatus.INTERRUPTED
    return ExitStatus.COMPLETED if state.is_completed() else ExitStatus.FAILED


def run_flow(title: str, start: Callable[[], Any], *, sandbox: bool) -> Any:
    """Run flows in this process, telling what they do.

    `start` imports and runs them once Prefect is ready; what it returns, their final states, is returned.
    """
    quiet_prefect()
    with ExitStack() as stack:
        stack.enter_context(RunView(title))
        stack.enter_context(prefect_api(meanwhile=partial(_get_ready, stack, sandbox=sandbox)))
        return start()


_OF_A_RUN = ("flows.cli.output", "flows.process_accruals", "flows.sync_import")
_OF_PREFECT = ("fastapi.encoders", "prefect.flow_engine", "prefect.task_engine")
"""What Prefect itself imports when a flow begins: then nothing boots any more beside it."""


def _get_ready(stack: ExitStack, *, sandbox: bool) -> None:
    """Import all that a run needs, serve the sandbox, and open the database, as long as a server boots."""
    with importing():
        for module in (*_OF_A_RUN, *_OF_PREFECT, *(["steps.sandbox.server"] if sandbox else [])):
            import_module(module)
        from tracking.database import get_engine
    if sandbox:
        stack.enter_context(sandboxed())
    get_engine()


def login_name() -> str:
    """The name of the user of this machine; empty where it knows none, as in some containers."""
    try:
        return getuser().strip()
    except (OSError, KeyError):
        return ""


def _start_flow(options: TypedOptions, step: str, span: MonthWindow) -> Any:
    from flows.process_accruals import process_accruals
    from flows.sync_import import sync_import
    from tracking.recorder import Overlap

    asked: dict[str, Any] = {
        "start_date": span.start,
        "end_date": span.end,
        "only": Only(options.only) if options.only else None,
        "plan": options.plan,
        "overlap": Overlap(options.overlap),
    }
    if step == ACCRUALS.id:
        asked |= {"override": options.override, "override_by": login_name()}
        return process_accruals(**asked, return_state=True)
    return sync_import(ImportStep(step), **asked, return_state=True)
