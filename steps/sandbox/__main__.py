"""`python -m steps.sandbox`: serve the academy until Ctrl-C and say how to point the program at it."""

import signal
import sys
from threading import Event

from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world


def main(port: int = 0) -> None:
    """Serve, print the environment, wait."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with serve_sandbox(build_world(), port=port) as server:
        lines = [f"export {name}={value}" for name, value in server.environment.items()]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        try:
            stop.wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
