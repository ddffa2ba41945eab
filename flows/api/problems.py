"""Every refusal and failure as RFC 9457 problem details, and which error of ours is which status."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from starlette.exceptions import HTTPException

from flows.access import ForbiddenError
from flows.prefect_server import PrefectUnavailableError
from flows.runs import KeyReusedError, NotSetUpError
from steps.closing import ClosingRefusedError
from steps.errors import BrokenImportError, ConfigError, PolicyChangedError, SyncError, UsageError, VendorError
from tracking.recorder import ExecutionEndedError, WindowBusyError
from tracking.redaction import redact_message
from tracking.settings import DatabaseUnusableError

MEDIA_TYPE = "application/problem+json"
TRY_AGAIN = {"Retry-After": "10"}
_LONGEST_NAME, _MOST_FAULTS = 64, 20
"""Of a field, and how many of a request's faults are named."""
_SQLITE_FULL, _POSTGRESQL_FULL = "database or disk is full", "53100"
"""The message of the one and the SQLSTATE of the other."""
_log = logging.getLogger(__name__)

STATUSES: Mapping[type[Exception], HTTPStatus] = {
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    VendorError: HTTPStatus.BAD_GATEWAY,
    BrokenImportError: HTTPStatus.CONFLICT,
    PolicyChangedError: HTTPStatus.CONFLICT,
    ClosingRefusedError: HTTPStatus.CONFLICT,
    WindowBusyError: HTTPStatus.CONFLICT,
    ExecutionEndedError: HTTPStatus.CONFLICT,
    KeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotSetUpError: HTTPStatus.SERVICE_UNAVAILABLE,
    PrefectUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseUnusableError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigError: HTTPStatus.INTERNAL_SERVER_ERROR,
    SyncError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Error -> status; the nearest class of an error's own tree counts."""


def status_of(error: type[Exception]) -> HTTPStatus:
    """The status of an error by its class; 500 for one that is not ours."""
    return next((STATUSES[kind] for kind in error.__mro__ if kind in STATUSES), HTTPStatus.INTERNAL_SERVER_ERROR)


def status_of_name(error_type: str) -> HTTPStatus:
    """The status of an error that was only written down, by the name of its class."""
    known = {kind.__name__: kind for root in STATUSES for kind in (root, *_below(root))}
    return status_of(known.get(error_type, Exception))


def _below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem document. ASCII on the wire, so that no odd character in a message can break the answer."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": int(status), "detail": redact_message(detail)}
    return Response(json.dumps(body), int(status), dict(headers or {}), MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Let the app answer every error that is foreseen with a problem."""
    handlers: dict[type[Exception], Callable[[Request, Any], Response]] = {
        RequestValidationError: _invalid,
        HTTPException: _http,
        OperationalError: _database_gone,
        InterfaceError: _database_gone,
        DataError: _unstorable,
        **dict.fromkeys(STATUSES, _ours),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _ours(_: Request, error: Exception) -> Response:
    status = status_of(type(error))
    return problem(status, str(error), TRY_AGAIN if status is HTTPStatus.SERVICE_UNAVAILABLE else None)


def _http(request: Request, error: HTTPException) -> Response:
    detail = "there is nothing here" if error.detail == HTTPStatus.NOT_FOUND.phrase else str(error.detail)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the router names those of the path's first route alone
        path = getattr(request.scope.get("route"), "path", "")
        if documented := request.app.openapi()["paths"].get(path):
            headers = {"Allow": ", ".join(map(str.upper, documented))}
    return problem(error.status_code, detail, headers)


def _invalid(_: Request, error: RequestValidationError) -> Response:
    """Where and what is wrong; never what was sent, but the name of a field that there is not."""
    lines = (
        f"{'.'.join(str(part)[:_LONGEST_NAME] for part in each['loc'])}: {each['msg']}"
        for each in error.errors()[:_MOST_FAULTS]
    )
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(lines))


def _database_gone(_: Request, error: DBAPIError) -> Response:
    is_full = str(error.orig) == _SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _POSTGRESQL_FULL
    detail = "the disk of the database is full: nothing was changed" if is_full else "the database does not answer"
    _log.error("%s: %s", detail, redact_message(str(error)))
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, TRY_AGAIN)


def _unstorable(_: Request, error: DBAPIError) -> Response:
    _log.error("a value that the database cannot take: %s", redact_message(str(error)))
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "a value is none that the database can take, such as a text with NUL"
    )


Responses = dict[int | str, dict[str, Any]]

_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Unprocessable Entity"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {"type": "string", "examples": ["start date without end date: give both, or a year instead"]},
    },
}
_REASONS = {
    HTTPStatus.BAD_REQUEST: "The body is no text that could be JSON.",
    HTTPStatus.UNAUTHORIZED: "No bearer token, or a wrong one.",
    HTTPStatus.FORBIDDEN: "A token whose role is less; another machine while there is no token; another site's page.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.REQUEST_TIMEOUT: "The body took longer than 20 seconds to arrive.",
    HTTPStatus.CONFLICT: "Another run is at work on it, or the import that it needs is broken.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than 1 MiB.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "Path and query are longer than 8 KiB.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are larger than 32 KiB.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "What was asked for makes no sense; `detail` says what is expected.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many wrong tokens came from this address: wait as `Retry-After` says.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The step failed, or something nobody foresaw.",
    HTTPStatus.BAD_GATEWAY: "A vendor did not answer as it should; `detail` says which and how.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No database, no Prefect or no worker: try again later.",
}
_OF_SOME_ROUTES = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY}


def problems(*statuses: HTTPStatus) -> Responses:
    """The responses of a route that may answer with these problems, besides those that any may."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    wanted = _REASONS.keys() - _OF_SOME_ROUTES | set(statuses)
    return {int(each): {"description": _REASONS[each], "content": content} for each in sorted(wanted)}


def not_modified() -> Responses:
    """The response of a list that has not changed."""
    return {304: {"description": "Nothing changed since the answer whose `ETag` was sent as `If-None-Match`."}}


def file_of(description: str, media_type: str = "text/csv") -> Responses:
    """The response of a route that answers with a spreadsheet."""
    schema = {"type": "string"} | ({} if media_type.startswith("text") else {"format": "binary"})
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


_HEADERS = {
    "ETag": "A hash of the answer; sent as `If-None-Match`, nothing new is a 304.",
    "Link": "The next page (RFC 8288), if there is one.",
    "Content-Disposition": "The file's name.",
    "Location": "Where to look what becomes of it.",
    "Preference-Applied": "`respond-async`.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "`Bearer`.",
}
_HEADERS_OF_STATUS = {
    "202": ("Location", "Preference-Applied"),
    "304": ("ETag",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def _describe_headers(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    for status, answer in answers.items():
        names = list(_HEADERS_OF_STATUS.get(status, ()))
        if status == "200":
            is_list = any(each["name"] == "cursor" for each in operation.get("parameters", ()))
            is_file = "application/json" not in answer.get("content", {})
            marks = {"ETag": "304" in answers, "Link": is_list, "Content-Disposition": is_file}
            names = [name for name, is_sent in marks.items() if is_sent]
        if names:
            answer["headers"] = {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def describe(app: FastAPI) -> None:
    """Add to the generated document what routes cannot say themselves."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = _PROBLEM_SCHEMA
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
            document["paths"]["/api/health"]["get"]["security"] = []
            for item in document["paths"].values():
                for operation in item.values():
                    _describe_headers(operation)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
