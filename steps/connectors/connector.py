"""What the vendors' connectors have in common: a connection that is let go at the end of a `with`."""

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

    def close(self) -> None:
        """Let the connections go; what was learned of the vendor, such as a token, stays for the next connector."""
        self._http.close()
