"""What the vendors' connectors have in common: a connection that is let go at the end of a `with`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from steps.connectors.http import VendorHttp


class Connector:
    """Reads one vendor. Use it in a `with`, or close it."""

    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def one_attempt(self) -> Iterator[None]:
        """Inside the block no request is tried again: the vendor seems to be down, and this is to see whether."""
        self._http.one_attempt = True
        try:
            yield
        finally:
            self._http.one_attempt = False

    def close(self) -> None:
        """Let the connections go; what was learned of the vendor, such as a token, stays for the next connector."""
        self._http.close()
