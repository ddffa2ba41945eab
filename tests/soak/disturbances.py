"""What can go wrong around the program, each as a block: it is so inside, and over after it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from random import Random

import httpx
import psutil

from steps.sandbox.exchange import Vendor
from steps.sandbox.faults import Fault, FaultKind
from tests.soak.installation import Installation
from tests.soak.services import Service, run_processes

Disturbance = Callable[[Installation, Random], AbstractContextManager["Hit"]]

VENDORS: tuple[Vendor, ...] = ("holded", "fourgeeks", "notion")


@dataclass
class Hit:
    """What a disturbance did to."""

    what: str = ""
    """"" until there was something to disturb: no run to be killed, for example."""
    again: Callable[[], None] | None = None
    """Looks again for something to disturb."""

    def look(self) -> None:
        """Disturb something, unless that was done already or there is nothing yet."""
        if not self.what and self.again is not None:
            self.again()


def _vendor(*kinds: FaultKind, seconds: float = 0.2) -> Disturbance:
    @contextmanager
    def failing(to: Installation, random: Random) -> Iterator[Hit]:
        vendor, kind = random.choice(VENDORS), random.choice(kinds)
        with to.vendors.failing(Fault(vendor, kind, times=None, seconds=seconds)):
            yield Hit(f"{vendor}: {kind}")

    return failing


def _database_stopped(mode: str) -> Disturbance:
    @contextmanager
    def stopped(to: Installation, random: Random) -> Iterator[Hit]:
        to.database.stop(mode)
        try:
            yield Hit(mode)
        finally:
            to.database.start()

    return stopped


def _connections_cut(applications: str) -> Disturbance:
    @contextmanager
    def cut(to: Installation, random: Random) -> Iterator[Hit]:
        def again() -> None:
            if connections := to.database.cut(applications):
                hit.what = f"{connections} connections"

        hit = Hit(again=again)
        yield hit

    return cut


def _service_ended(which: Callable[[Installation], Service], how: signal.Signals) -> Disturbance:
    @contextmanager
    def ended(to: Installation, random: Random) -> Iterator[Hit]:
        service = which(to)
        done = service.stop(how)
        try:
            yield Hit(done)
        finally:
            service.start()

    return ended


@contextmanager
def _prefect_killed(to: Installation, random: Random) -> Iterator[Hit]:
    how = random.choice((signal.SIGTERM, signal.SIGKILL))
    done = to.server.stop(how)
    try:
        yield Hit(done)
    finally:
        to.start_prefect()


def _run_ended(how: signal.Signals) -> Disturbance:
    @contextmanager
    def ended(to: Installation, random: Random) -> Iterator[Hit]:
        hit = Hit(again=lambda: _signal_a_run(to, random, how, hit, []))
        yield hit

    return ended


@contextmanager
def _run_stopped(to: Installation, random: Random) -> Iterator[Hit]:
    stopped: list[psutil.Process] = []
    hit = Hit(again=lambda: _signal_a_run(to, random, signal.SIGSTOP, hit, stopped))
    try:
        yield hit
    finally:
        for process in stopped:
            if process.is_running():
                process.send_signal(signal.SIGCONT)


def _signal_a_run(
    to: Installation, random: Random, how: signal.Signals, hit: Hit, signaled: list[psutil.Process]
) -> None:
    processes = sorted(run_processes(to.mark), key=lambda process: process.pid)
    if not processes:
        return
    process = random.choice(processes)
    with suppress(psutil.NoSuchProcess):
        process.send_signal(how)
        signaled.append(process)
        hit.what = f"{how.name} to process {process.pid}"


@contextmanager
def _run_cancelled(to: Installation, random: Random) -> Iterator[Hit]:
    hit = Hit(again=lambda: _cancel_a_run(to, random, hit))
    yield hit


def _cancel_a_run(to: Installation, random: Random, hit: Hit) -> None:
    """As a person does in Prefect's page."""
    try:
        running = to.prefect.flow_runs(state={"type": {"any_": ["RUNNING"]}})
        if running:
            run = random.choice(running)
            to.prefect.ask("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
            hit.what = str(run["name"])
    except httpx.HTTPError:
        return  # Prefect is away: nobody can cancel anything


def _clock_set(*seconds_ahead: int) -> Disturbance:
    @contextmanager
    def wrong(to: Installation, random: Random) -> Iterator[Hit]:
        ahead = random.choice(seconds_ahead)
        to.clock.set(ahead)
        try:
            yield Hit(f"{ahead:+d} s")
        finally:
            to.clock.set(0)

    return wrong


@dataclass(frozen=True)
class Kind:
    """One kind of disturbance."""

    name: str
    disturb: Disturbance
    seconds: tuple[int, int]
    """How long it lasts, at least and at most."""
    touches: frozenset[str] = frozenset()
    """Two that touch the same do not happen at once."""
    in_short_form: bool = False


def _kind(name: str, disturb: Disturbance, seconds: tuple[int, int], touches: str = "", *, short: bool = False) -> Kind:
    return Kind(name, disturb, seconds, frozenset(touches.split()), short)


KINDS = (
    _kind("a vendor fails (500, 503, 502)", _vendor("500", "503", "502-html"), (10, 30), short=True),
    _kind("a vendor drops connections", _vendor("drop-connection"), (10, 30)),
    _kind("a vendor refuses the credential", _vendor("401", "403"), (10, 25)),
    _kind("a vendor wants fewer requests (429)", _vendor("429", "429-no-retry-after"), (10, 30)),
    _kind("a vendor answers nonsense", _vendor("html-200", "not-json", "truncated", "soft-failure"), (10, 30)),
    _kind("a vendor's lists are empty", _vendor("empty"), (10, 30)),
    _kind("a vendor is slow", _vendor("slow", seconds=8), (15, 40)),
    _kind("the database is stopped", _database_stopped("fast"), (5, 20), "database", short=True),
    _kind("the database crashes", _database_stopped("immediate"), (3, 15), "database"),
    _kind("every connection to the database is cut", _connections_cut("sync-management%"), (2, 20), "database"),
    _kind("the connections of run locks are cut", _connections_cut("sync-management run lock"), (10, 30), "database"),
    _kind("the worker is killed (SIGKILL)", _service_ended(lambda to: to.worker, signal.SIGKILL), (3, 20), "worker",
          short=True),
    _kind("the worker is ended (SIGTERM)", _service_ended(lambda to: to.worker, signal.SIGTERM), (3, 20), "worker"),
    _kind("a run is killed (SIGKILL)", _run_ended(signal.SIGKILL), (10, 30), "run", short=True),
    _kind("a run is ended (SIGTERM)", _run_ended(signal.SIGTERM), (10, 30), "run"),
    _kind("a run stands still (SIGSTOP) and goes on", _run_stopped, (5, 30), "run"),
    _kind("a run is cancelled in Prefect", _run_cancelled, (10, 30), "run server"),
    _kind("the Prefect server is ended and started", _prefect_killed, (5, 20), "server"),
    _kind("the API is killed and started", _service_ended(lambda to: to.api, signal.SIGKILL), (2, 10), "api"),
    _kind("the clock jumps by seconds", _clock_set(-3, -2, 2, 3), (10, 40), "clock"),
    _kind("the clock is set back", _clock_set(-90, -3600, -86400), (10, 40), "clock"),
    _kind("the clock is set forwards", _clock_set(30, 75, 110), (10, 40), "clock"),
)  # fmt: skip
"""A worker whose clock is ahead takes runs long before their time, which then wait for it: so it is minutes only."""
