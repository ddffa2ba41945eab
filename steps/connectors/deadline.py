"""A limit for one whole exchange, its headers included, which no limit of a single read can give.

A server that sends a byte now and then keeps each read short and the answer endless. When the time is over, the sockets
of the client are shut down: whoever waits for bytes gets an error at once.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any


class DeadlineExceededError(Exception):
    """The exchange did not end in time."""


class Deadline:
    """The limit of the exchanges of one client, which are made one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sockets: list[socket.socket] = []
        self._exceeded = False

    @property
    def extensions(self) -> dict[str, Any]:
        """What a request must carry, so that the sockets are known."""
        return {"trace": self._note_socket}

    @contextmanager
    def limited(self) -> Iterator[None]:
        """One exchange.

        Raises:
            DeadlineExceededError: it did not end in time; whatever the shutdown looked like to it, even as an end of
                the answer.
        """
        self._exceeded = False
        timer = Timer(self._seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if self._exceeded:
                raise DeadlineExceededError from error
            raise
        finally:
            timer.cancel()
        if self._exceeded:
            raise DeadlineExceededError

    def _note_socket(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by the HTTP library as a request goes on; a stream is the result of connecting, plain or with TLS."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            found = info["return_value"].get_extra_info("socket")
            self._sockets = [*(each for each in self._sockets if each.fileno() >= 0), found]

    def _shut_down(self) -> None:
        self._exceeded = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
