"""Who works on an execution, and whether that process still lives.

An owner is a process: host, process id, and the moment it was born (ids are used again). On the owner's own host the
operating system knows at once whether it lives; from another machine it counts as dead when its executions were not
touched for `LEASE_SECONDS`, which a living owner does every `BEAT_SECONDS` (`tracking/heartbeat.py`).
"""

import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import psutil

BEAT_SECONDS = 6
LEASE_SECONDS = 22
"""Three beats may be missed; and a dead run is known within half a minute, since those who look do so each beat."""
_SEPARATOR = "/"


@cache
def _host() -> str:
    """The host's name and, where there are such things, the process namespace: containers may share a name."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}-{namespace.readlink()}" if namespace.is_symlink() else socket.gethostname()


def this_process() -> str:
    """The owner that this process is."""
    return _owner(os.getpid())


@cache
def _owner(pid: int) -> str:
    process = psutil.Process(pid)
    return _SEPARATOR.join((_host(), str(process.pid), _born(process)))


def lives_here(owner: str) -> bool | None:
    """Whether the owner lives, as the operating system says; None for a process of another host, or of no name."""
    host, *process_there = owner.rsplit(_SEPARATOR, 2)
    if host != _host():
        return None
    pid, born = process_there
    try:
        process = psutil.Process(int(pid))
        return _born(process) == born and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_dead(
    owner: str | None,
    alive_at: datetime | None,
    now: datetime,
    ask: Callable[[str], bool | None] = lives_here,
) -> bool:
    """Whether an execution's owner is gone.

    Args:
        owner: As `this_process()` said it; None for rows that older versions left.
        alive_at: When the owner last touched the execution, by the database's clock.
        now: The present moment, by the same clock.
        ask: Who knows whether an owner lives here.
    """
    if owner is not None and (here := ask(owner)) is not None:
        return not here
    return alive_at is None or now - alive_at > timedelta(seconds=LEASE_SECONDS)


def describe_owner(owner: str | None) -> str:
    """An owner as people know it: process and host."""
    if owner is None:
        return "an unknown process"
    host, pid, _ = owner.rsplit(_SEPARATOR, 2)
    return f"process {pid} on {host.partition('-pid:')[0]}"


def _born(process: psutil.Process) -> str:
    return f"{process.create_time():.2f}"
