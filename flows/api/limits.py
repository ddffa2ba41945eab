"""How large a request may be, and how long its body may take to arrive."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.api.problems import problem

LARGEST_BODY = 1024 * 1024
BODY_SECONDS = 20.0
LONGEST_ADDRESS = 8 * 1024
"""Characters of path and query, as they are sent."""
LARGEST_HEADERS = 32 * 1024
"""Bytes of all names and values."""


class RequestLimits:
    """Refuses what is too large before anything looks into it: an address with 414, headers with 431, a body with 413.

    One that arrives too slowly is 408. The body is read here, up to its limit, before the app does; `state.body` is it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        refusal = _too_large(scope, int(length) if length.isdigit() else 0)
        body, is_more = b"", True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while is_more and refusal is None:
                    message = await receive()
                    if message["type"] != "http.request":
                        return  # the client went away
                    body += message.get("body", b"")
                    refusal, is_more = _too_large(scope, len(body)), message.get("more_body", False)
        except TimeoutError:
            refusal = HTTPStatus.REQUEST_TIMEOUT, f"a body has to arrive within {BODY_SECONDS:.0f} seconds"
        if refusal is not None:
            # What is not read would go on arriving.
            await problem(*refusal, {"Connection": "close"})(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = body
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def _too_large(scope: Scope, body_bytes: int) -> tuple[HTTPStatus, str] | None:
    address = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    if address > LONGEST_ADDRESS:
        return HTTPStatus.REQUEST_URI_TOO_LONG, f"path and query have at most {LONGEST_ADDRESS} characters"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"headers have at most {LARGEST_HEADERS} bytes"
    if body_bytes > LARGEST_BODY:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {LARGEST_BODY} bytes"
    return None
