"""A port of 127.0.0.1 that nothing listens on."""

import socket


def free_port() -> int:
    """For a server that is to be started, or an address that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
