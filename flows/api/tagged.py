"""`ETag` and `If-None-Match` for lists: whoever polls gets 304 and no body while nothing changed (RFC 9110, 13.1.2)."""

from collections.abc import Callable, Coroutine
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from flows.api.shared import SharedAnswers

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class TaggedRoute(APIRoute):
    """A route whose successful GET answers carry a hash of their body, and are shared by all who ask the same.

    So what is answered must depend on the address alone.
    """

    def get_route_handler(self) -> Handler:
        """The usual handler, and the tag around it."""
        handler, shared = super().get_route_handler(), SharedAnswers[Response]()

        async def find_out(request: Request) -> Response:
            response = await handler(request)
            if response.status_code == HTTPStatus.OK:
                response.headers["ETag"] = f'"{sha256(response.body).hexdigest()[:32]}"'
            return response

        async def tagged(request: Request) -> Response:
            if request.method != "GET":
                return await handler(request)
            address = f"{request.url.path}?{request.url.query}"
            response = await shared.ask(address, lambda: find_out(request))
            tag = response.headers.get("etag", "")
            if tag and _matches(request.headers.get("if-none-match", ""), tag):
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
            own = Response(response.body, response.status_code)
            own.raw_headers = list(response.raw_headers)  # headers are added to it on its way
            return own

        return tagged


def _matches(header: str, tag: str) -> bool:
    tags = {each.strip().removeprefix("W/") for each in header.split(",")}
    return tag in tags or "*" in tags
