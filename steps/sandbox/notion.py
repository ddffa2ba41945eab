"""The fake Notion API: its queries by creation time, its pages and its errors. Ids answer dashed whatever was asked."""

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from steps.sandbox.exchange import Answer, Call, Json, Modes, json_answer
from steps.sandbox.records import MADRID, Page, PageDate, World, notion_time

STATUS_COLORS = {
    "Active": "green", "Graduated": "blue", "Dropped": "red", "Early Dropped": "pink", "Suspended": "orange",
    "Early Postponed": "yellow", "Not Completing": "brown",
}  # fmt: skip


@dataclass(frozen=True)
class Property:
    """One column of the database."""

    name: str
    id: str
    """As the schema gives it, URL-encoded."""
    type: str
    usual_name: str
    plain: Callable[[Page], Any]
    """Its value, before it is shaped as the type wants it."""

    def value(self, page: Page) -> Json:
        """The property as a page object carries it."""
        if self.usual_name in page.raw:
            spoiled: Json = page.raw[self.usual_name]
            return spoiled
        plain = self.plain(page)
        shown = _SHAPES[self.type](plain) if self.type in _SHAPES else plain
        return {"id": self.id, "type": self.type, self.type: shown}


def properties(modes: Modes) -> list[Property]:
    """The columns, as somebody may have renamed or retyped them."""
    columns: list[tuple[str, str, str, Callable[[Page], Any]]] = [
        ("Name", "title", "title", lambda page: page.name),
        ("Email", "aB%3Ac", modes.notion_email_type, lambda page: page.email),
        ("Educational Status", "q%7Dx1", modes.notion_status_type, lambda page: page.status),
        ("Progress", "st01", "status", lambda _: "Active"),
        ("Drop Date", "dr01", "date", lambda page: page.drop_date),
        ("Certificated At", "ce01", "date", lambda page: page.certified_at),
        ("Notes", "rt01", "rich_text", lambda _: None),
        ("Tags", "ms01", "multi_select", lambda _: []),
        ("Mentor", "pe01", "people", lambda _: []),
        ("Score", "nu01", "number", lambda page: round(len(page.name) * 5.25, 2)),
        ("Paid", "cb01", "checkbox", lambda _: False),
    ]
    renamed = modes.notion_property_names
    return [Property(renamed.get(name, name), key, kind, name, plain) for name, key, kind, plain in columns]


def rich_text(text: str | None) -> list[Json]:
    """Text as Notion's pieces, in two when it is long enough, since clients must join them."""
    if not text:
        return []
    cut = text.find(" ") + 1
    return [_piece(part) for part in (text[:cut], text[cut:]) if part]


def _piece(text: str) -> Json:
    flags = dict.fromkeys(("bold", "italic", "strikethrough", "underline", "code"), False)
    annotations: Json = {**flags, "color": "default"}
    content = {"content": text, "link": None}
    return {"type": "text", "text": content, "annotations": annotations, "plain_text": text, "href": None}


def _option(name: str | None) -> Json | None:
    return {"id": name.lower()[:4], "name": name, "color": STATUS_COLORS.get(name, "default")} if name else None


def _date(value: PageDate | None) -> Json | None:
    if value is None:
        return None
    local = value.at.astimezone(MADRID).isoformat(timespec="milliseconds") if value.at else None
    end = value.end.isoformat() if value.end else None
    return {"start": local or value.start.isoformat(), "end": end, "time_zone": None}


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "title": rich_text,
    "rich_text": rich_text,
    "select": _option,
    "status": _option,
    "date": _date,
}
"""Of the types whose value is not just the plain one."""


class BadBodyError(Exception):
    """What the API answers 400 `validation_error` to; the text is the message."""


DATABASE_ID = "1b2c3d4e-0000-4000-8000-00000000d001"
SOURCE_ID = "1b2c3d4e-0000-4000-8000-00000000e001"
OTHER_SOURCE_ID = "1b2c3d4e-0000-4000-8000-00000000e002"
OWNER: Json = {"object": "user", "id": "1b2c3d4e-0000-4000-8000-00000000b001"}

LARGEST_PAGE = 100
CURSOR = "1b2c3d4e-0000-4000-8000-c"
BODY_KEYS = {"filter", "sorts", "page_size", "start_cursor"}
BY_CREATION = [{"timestamp": "created_time", "direction": "ascending"}]


def query(call: Call, pages: list[Page], modes: Modes, *, new_version: bool) -> Answer:
    """One page of the answer; the cursor is the number of rows already given, in disguise."""
    columns = properties(modes)
    body = call.body if call.body is not None else {}
    try:
        _check_body(body)
        rows = _chosen(pages, body)
        start, size = _position(body), _page_size(body)
    except BadBodyError as wrong:
        return error(400, "validation_error", str(wrong))
    size = min(size, modes.notion_page_rows or size)
    end = min(start + size, modes.notion_query_limit)
    more = end < min(len(rows), modes.notion_query_limit)
    results = [page_json(row, columns, new_version=new_version) for row in rows[start:end]]
    incomplete = not more and end >= modes.notion_query_limit and len(rows) > modes.notion_query_limit
    cursor = f"{CURSOR}{end:011x}" if more else None
    return success(listing(results, cursor, new_version=new_version, incomplete=incomplete))


def _check_body(body: Any) -> None:
    if not isinstance(body, dict):
        raise BadBodyError("body failed validation: body should be an object.")
    if unknown := sorted(set(body) - BODY_KEYS):
        raise BadBodyError(f"body failed validation: body.{unknown[0]} should be not present.")


def _page_size(body: Json) -> int:
    size = body.get("page_size", LARGEST_PAGE)
    if not isinstance(size, int) or isinstance(size, bool):
        raise BadBodyError("body failed validation: body.page_size should be a number.")
    if size > LARGEST_PAGE:
        raise BadBodyError(f"body failed validation: body.page_size should be ≤ {LARGEST_PAGE}, instead was {size}.")
    return max(size, 1)


def _position(body: Json) -> int:
    if "start_cursor" not in body:
        return 0
    match = re.fullmatch(f"{CURSOR}([0-9a-f]{{11}})", str(body["start_cursor"]))
    if match is None:
        raise BadBodyError(f"The start_cursor provided is invalid: {body['start_cursor']}")
    return int(match[1], 16)


def _chosen(pages: list[Page], body: Json) -> list[Page]:
    """The rows in order, without trashed ones.

    The one order and the one filter are those by creation, which is compared as it is shown: rounded to the minute.
    """
    rows = [page for page in pages if not page.in_trash]
    match body.get("filter"):
        case None:
            pass
        case {"timestamp": "created_time", "created_time": {"on_or_after": since}}:
            rows = [page for page in rows if datetime.fromisoformat(notion_time(page.created_at)) >= _moment(since)]
        case _:
            raise BadBodyError("body failed validation: body.filter should be by created_time.")
    if (sorts := body.get("sorts") or []) not in ([], BY_CREATION):
        raise BadBodyError(f"Could not find sort property with name or id: {sorts}")
    return sorted(rows, key=lambda page: (page.created_at, page.id)) if sorts else rows


def _moment(given: Any) -> datetime:
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError:
        raise BadBodyError("body failed validation: a filter's date should be a valid ISO 8601 date string.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


TOKEN = "sandbox-notion-token"  # noqa: S105 - public, it opens nothing but the sandbox
OLD_VERSION = "2022-06-28"
NEW_VERSION = "2025-09-03"


def answer(call: Call, world: World, modes: Modes) -> Answer:
    """What Notion answers."""
    if refusal := _refusal(call, modes):
        return refusal
    new_version = call.headers["notion-version"] >= NEW_VERSION
    match [call.method, *call.path.strip("/").split("/")]:
        case ["POST", "databases", key, "query"] if not new_version:
            return _query_database(call, key, world, modes)
        case ["POST", "data_sources", key, "query"] if new_version:
            return _query_source(call, key, world, modes)
    return error(400, "invalid_request_url", "Invalid request URL.")


def _refusal(call: Call, modes: Modes) -> Answer | None:
    if call.headers.get("authorization") != f"Bearer {TOKEN}":
        return error(401, "unauthorized", "API token is invalid.")
    if "notion-version" not in call.headers:
        return error(
            400, "missing_version", "Notion-Version header failed validation: Notion-Version header should be defined."
        )
    if call.headers["notion-version"] not in {OLD_VERSION, NEW_VERSION}:
        return error(400, "validation_error", "Notion-Version header failed validation.")
    if modes.notion_forbidden:
        return error(403, "restricted_resource", "Insufficient permissions for this endpoint.")
    if call.content and call.body is None:
        return error(400, "invalid_json", "Error parsing JSON body.")
    return None


def _query_database(call: Call, key: str, world: World, modes: Modes) -> Answer:
    if refused := _shared("database", key, (DATABASE_ID,)):
        return refused
    if modes.notion_several_sources:
        details = {
            "error_type": "multiple_data_sources_for_database",
            "database_id": DATABASE_ID,
            "child_data_source_ids": list(_sources(modes)),
            "minimum_api_version": NEW_VERSION,
        }
        text = "Databases with multiple data sources are not supported in this API version."
        return error(400, "validation_error", text, details)
    return query(call, world.pages, modes, new_version=False)


def _query_source(call: Call, key: str, world: World, modes: Modes) -> Answer:
    """The students are in the first source; the one that somebody added is empty."""
    if refused := _shared("data source", key, _sources(modes)):
        return refused
    return query(call, world.pages if _dashed(key) == SOURCE_ID else [], modes, new_version=True)


def _sources(modes: Modes) -> tuple[str, ...]:
    return (SOURCE_ID, OTHER_SOURCE_ID) if modes.notion_several_sources else (SOURCE_ID,)


def _shared(what: str, key: str, known: Container[str]) -> Answer | None:
    """The refusal of an id that is no UUID, or that the integration was not given: 404, not 403."""
    try:
        dashed = _dashed(key)
    except ValueError:
        name = what.replace(" ", "_")
        text = f'path failed validation: path.{name}_id should be a valid uuid, instead was `"{key}"`.'
        return error(400, "validation_error", text)
    if dashed in known:
        return None
    return error(
        404,
        "object_not_found",
        f"Could not find {what} with ID: {dashed}. Make sure the relevant pages and databases are shared with your "
        "integration.",
    )


def _dashed(key: str) -> str:
    return str(UUID(key))


def request_id(status: int) -> str:
    """Every answer has one; the sandbox's says the status."""
    return f"6f0b1a2c-0000-4000-8000-000000000{status:03d}"


def success(value: Json) -> Answer:
    """The object with its request id, also in the header."""
    headers = {"x-notion-request-id": request_id(200)}
    return json_answer(value | {"request_id": request_id(200)}, headers=headers)


def error(
    status: int, code: str, message: str, additional: Json | None = None, retry_after: int | None = None
) -> Answer:
    """The one shape that all errors have."""
    body: Json = {"object": "error", "status": status, "code": code, "message": message}
    if additional is not None:
        body["additional_data"] = additional
    headers = {"x-notion-request-id": request_id(status)}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return json_answer(body | {"request_id": request_id(status)}, status, headers=headers)


def page_json(record: Page, columns: Sequence[Property], *, new_version: bool) -> Json:
    """A page object; the parent is the database, or since 2025-09-03 the data source."""
    parent = {"type": "database_id", "database_id": DATABASE_ID}
    if new_version:
        parent = {"type": "data_source_id", "data_source_id": SOURCE_ID, "database_id": DATABASE_ID}
    row: Json = {
        "object": "page", "id": record.id, "created_time": notion_time(record.created_at),
        "last_edited_time": notion_time(record.last_edited_at), "created_by": OWNER, "last_edited_by": OWNER,
        "cover": None, "icon": None, "parent": parent, "archived": record.in_trash, "in_trash": record.in_trash,
        "properties": {column.name: column.value(record) for column in columns},
        "url": f"https://www.notion.so/{record.id.replace('-', '')}", "public_url": None,
    }  # fmt: skip
    return row | {"is_locked": False} if new_version else row


def listing(results: list[Json], next_cursor: str | None, *, new_version: bool, incomplete: bool) -> Json:
    """The wrapper of a query's answer."""
    kind = "page_or_data_source" if new_version else "page_or_database"
    more: Json = {"next_cursor": next_cursor, "has_more": next_cursor is not None, "type": kind, kind: {}}
    body: Json = {"object": "list", "results": results, **more}
    if incomplete:
        body["request_status"] = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
    return body
