"""Serving the sandbox for people: `python -m steps.sandbox`, and `sync-actions sandbox`."""

import signal
from collections.abc import Callable
from threading import Event

from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world


def serve_until_interrupted(say: Callable[[str], object], *, port: int = 0, clients: int = 60) -> None:
    """Serve the academy until Ctrl-C or a termination signal.

    Args:
        say: gets the lines that point a shell at the server, once it accepts connections.
        port: 0 takes any free one.
        clients: how large the academy is.

    Raises:
        OSError: the port is taken.
    """
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with serve_sandbox(build_world(clients=clients), port=port) as server:
        try:
            for name, value in server.environment.items():
                say(f"export {name}={value}")
            stop.wait()
        except KeyboardInterrupt:
            return
