"""Lists: cursors that clients hand back and do not look into, the `Link` to the next page (RFC 8288), and `ETag`s.

A client that polls gets 304 and no body while nothing changed (`If-None-Match`, RFC 9110, 13.1.2).
"""

import base64
import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from steps.errors import UsageError
from steps.reports.spreadsheet import CsvFormat
from tracking.history import DEFAULT_LIMIT, MAX_LIMIT, Place

LARGEST_ID = 2**31 - 1
RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
_Number = Annotated[int, Field(ge=1, le=LARGEST_ID)]
_CURSOR = TypeAdapter[tuple[int] | tuple[int, datetime]](
    tuple[_Number] | tuple[_Number, AwareDatetime], config=ConfigDict(strict=True)
)


class PageOfList(BaseModel):
    """A part of a query: which page of a list."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, pattern=r"^[\w-]{1,200}$", description="`next_cursor` of the page before.")


class SheetFormat(BaseModel):
    """A part of a query: how a spreadsheet is written."""

    csv_format: CsvFormat = Field(default=CsvFormat.CSV, alias="format", description="`csv-es`: for a Spanish Excel.")


def next_cursor(place: Place) -> str:
    """The cursor of what is older than this place."""
    parts = [place.id, *([place.started_at.isoformat()] if place.started_at else [])]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, by_start: bool) -> Place:
    """The place that a cursor of `next_cursor` means.

    Raises:
        UsageError: it is no cursor of a list in order of start, or of id.
    """
    try:
        padding = "=" * (-len(cursor) % 4)
        number, *start = _CURSOR.validate_json(base64.b64decode(cursor + padding, altchars=b"-_", validate=True))
        place = Place(number, *(each.astimezone(UTC) for each in start))
    except (ValueError, OverflowError):  # the year 9999 has hours that are none in UTC
        place = None
    if place is None or (place.started_at is not None) != by_start:
        raise UsageError("cursor is none of this list: send `next_cursor` of the page before, with the same filters")
    return place


Row = TypeVar("Row")


def cut_page(
    request: Request, response: Response, found: Sequence[Row], limit: int, place_of: Callable[[Row], Place]
) -> tuple[Sequence[Row], str | None]:
    """A page of the rows that were found, one more than `limit` if there are more, and the cursor of the next one.

    The answer links to that; None: there is none.
    """
    if len(found) <= limit:
        return found, None
    cursor = next_cursor(place_of(found[limit - 1]))
    address = request.url.include_query_params(cursor=cursor)
    response.headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return found[:limit], cursor


def csv_answer(text: str, file_name: str) -> Response:
    """A spreadsheet as text."""
    return file_answer(text.encode(), "text/csv; charset=utf-8", file_name)


def file_answer(content: bytes, media_type: str, file_name: str) -> Response:
    """A file to be saved, never to be shown by a browser."""
    disposition = f'attachment; filename="{file_name}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class TaggedRoute(APIRoute):
    """A route whose successful GET answers carry a hash of their body as `ETag`."""

    def get_route_handler(self) -> Handler:
        """The usual handler, and the tag around it."""
        handler = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await handler(request)
            if request.method != "GET" or response.status_code != HTTPStatus.OK:
                return response
            tag = f'"{sha256(response.body).hexdigest()[:32]}"'
            response.headers["ETag"] = tag
            known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
            if known & {tag, "*"}:
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
            return response

        return tagged
