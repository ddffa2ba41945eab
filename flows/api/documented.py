"""What the OpenAPI document says of every route: its problems, its examples, the token."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from flows.api.problems import MEDIA_TYPE

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
    HTTPStatus.FORBIDDEN: "Another machine while there is no token, or a page of another site.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.CONFLICT: "Somebody else is at it.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than 1 MiB.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "Path and query are longer than 8 KiB.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are larger than 32 KiB.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "What was asked for makes no sense; `detail` says what is expected.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The step failed, or something nobody foresaw.",
    HTTPStatus.BAD_GATEWAY: "A vendor did not answer as it should; `detail` says which and how.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No database, no Prefect, or too much at once: try again later.",
}
_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def problems(*statuses: HTTPStatus) -> Responses:
    """The responses of a route that may answer with these problems, besides those that any may."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {int(each): {"description": _REASONS[each], "content": content} for each in sorted({*_ALWAYS, *statuses})}


def not_modified() -> Responses:
    """The response of a list that has not changed."""
    return {304: {"description": "Nothing changed since the answer whose `ETag` was sent as `If-None-Match`."}}


def csv_file(description: str) -> Responses:
    """The response of a route that answers with a spreadsheet."""
    return {200: {"description": description, "content": {"text/csv": {"schema": {"type": "string"}}}}}


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
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
