"""Who may ask the API for what.

Without a token everybody who reaches the port can do everything. So only this machine is served then: the client's
address must be loopback, and so must the name it asked for (a page of the web can let its own name point to 127.0.0.1),
and the request must not have come through a proxy, which would make everybody look local.

`Guard` stands before everything and finds out who asks; each route says with `READ`, `OPERATE` or `CLOSE` which role it
needs.
"""

from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from flows.access import (
    SHORTEST_TOKEN,
    WINDOW_SECONDS,
    Access,
    GuessingError,
    Role,
    WrongTokenError,
    address_of,
    owner_of_this_machine,
)
from flows.api.problems import problem
from steps.errors import UsageError
from steps.settings import SyncSettings
from tracking.audit import Door

API = "/api/"
HEALTH = "/api/health"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def require_safe_binding(host: str, settings: SyncSettings) -> None:
    """Let nobody serve other machines without a token that is too long to be guessed.

    Raises:
        UsageError: one line that says what to do.
    """
    token = settings.bearer_token or ""
    if is_loopback(host) or len(token) >= SHORTEST_TOKEN or (not token and Access(settings).is_guarded):
        return
    raise UsageError(
        f"host {host!r} serves other machines, which needs a SYNC_API_TOKEN of at least {SHORTEST_TOKEN} "
        f"characters, and it has {len(token)}: set one, such as that of `openssl rand -hex 32`, or leave out --host"
    )


class Guard:
    """Refuses who may not ask, before anything looks at the request; of others it says in `state.caller` who it is."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        refusal = await self._refusal(HTTPConnection(scope)) if scope["type"] in {"http", "websocket"} else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await problem(*refusal)(scope, receive, send)

    async def _refusal(self, asked: HTTPConnection) -> tuple[HTTPStatus, str, dict[str, str]] | None:
        """Status, reason and headers; None, and the caller is known, if there is nothing against it."""
        address = address_of(asked)
        if asked.scope.get("method") not in _SAFE_METHODS and _is_cross_site(asked):
            return HTTPStatus.FORBIDDEN, "requests of other sites' pages are refused", {}
        if not self._access.is_guarded:
            asked.state.caller = owner_of_this_machine(Door.API, address)
            return None if _is_local(asked) else (HTTPStatus.FORBIDDEN, "only this machine is served", {})
        if not asked.url.path.startswith(API) or asked.url.path == HEALTH:
            return None
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if token and scheme.lower() == "bearer":
            try:
                asked.state.caller = self._access.admit(token, Door.API, address)
            except GuessingError as error:
                return HTTPStatus.TOO_MANY_REQUESTS, str(error), {"Retry-After": str(WINDOW_SECONDS)}
            except WrongTokenError:
                await run_in_threadpool(self._access.keep_refusal, Door.API, address)
            else:
                return None
        expected = "a bearer token is expected: Authorization: Bearer <SYNC_API_TOKEN>"
        return HTTPStatus.UNAUTHORIZED, expected, {"WWW-Authenticate": "Bearer"}


def _is_local(asked: HTTPConnection) -> bool:
    try:
        named = urlsplit(f"//{asked.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    proxied = any(name in asked.headers for name in _FORWARDED)
    return is_loopback(address_of(asked)) and is_loopback(named) and not proxied


def _is_cross_site(asked: HTTPConnection) -> bool:
    """A browser says whose page asks; programs say nothing."""
    origin = asked.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != asked.headers.get("host", "").lower()


def operation_of(route: APIRoute) -> str:
    """The name of what a route does, in the OpenAPI document and in the trail."""
    return "-".join(map(str, (*route.tags[:1], route.name)))


class Needs:
    """The role that a route needs; whoever uses the route is in the trail with it."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(self, request: Request) -> Iterator[None]:
        """FastAPI's dependency; it begins before the route and ends before the answer is sent.

        Raises:
            ForbiddenError: the caller's role is less.
        """
        address = f"{request.url.path}?{request.url.query}".rstrip("?")
        asked = f"{request.method} {address} {request.state.body.decode(errors='replace')}".strip()
        with request.state.caller.performing(self.role, operation_of(request.scope["route"]), asked):
            yield


async def may_read() -> None:
    """Every token may, so the guard has seen to it; nothing is changed, so the trail has no need of it."""


READ = Depends(may_read)
OPERATE, CLOSE = (Depends(Needs(role), scope="function") for role in (Role.OPERATE, Role.CLOSE))
