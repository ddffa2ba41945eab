"""The fake Notion API: its queries, and its objects and errors; ids answer dashed whatever was asked."""

import re
from collections.abc import Container, Sequence
from typing import Any
from uuid import UUID

from steps.sandbox.exchange import Answer, Call, Json, Modes, json_answer
from steps.sandbox.notion_filter import (
    TIMESTAMPS,
    BadFilterError,
    Property,
    compile_filter,
    date_text,
    properties,
    rich_text,
)
from steps.sandbox.records import Page, World, notion_time

DATABASE_ID = "1b2c3d4e-0000-4000-8000-00000000d001"
SOURCE_ID = "1b2c3d4e-0000-4000-8000-00000000e001"
OTHER_SOURCE_ID = "1b2c3d4e-0000-4000-8000-00000000e002"
OWNER: Json = {"object": "user", "id": "1b2c3d4e-0000-4000-8000-00000000b001"}
MADE = "2023-06-01T08:00:00.000"
BOT: Json = {
    "object": "user", "id": "1b2c3d4e-0000-4000-8000-00000000f001", "name": "Accruals importer", "avatar_url": None,
    "type": "bot",
    "bot": {
        "owner": {"type": "workspace", "workspace": True}, "workspace_name": "Example Academy",
        "workspace_id": "1b2c3d4e-0000-4000-8000-00000000f002",
        "workspace_limits": {"max_file_upload_size_in_bytes": 5242880},
    },
}  # fmt: skip
"""Who the token belongs to."""

LARGEST_PAGE = 100
CURSOR = "1b2c3d4e-0000-4000-8000-c"
BODY_KEYS = {"filter", "sorts", "page_size", "start_cursor"}
NEW_BODY_KEYS = BODY_KEYS | {"in_trash", "archived", "result_type"}


def query(call: Call, pages: list[Page], modes: Modes, *, new_version: bool) -> Answer:
    """One page of the answer; the cursor is the number of rows already given, in disguise."""
    columns = properties(modes)
    body = call.body if call.body is not None else {}
    try:
        _check_body(body, NEW_BODY_KEYS if new_version else BODY_KEYS)
        rows = _chosen(pages, body, columns)
        start, size = _position(body), _page_size(body)
        shown = _trimmed(columns, call.repeated.get("filter_properties", []))
    except BadFilterError as wrong:
        return error(400, "validation_error", str(wrong))
    size = min(size, modes.notion_page_rows or size)
    end = min(start + size, modes.notion_query_limit)
    more = end < min(len(rows), modes.notion_query_limit)
    results = [page_json(row, shown, new_version=new_version) for row in rows[start:end]]
    incomplete = not more and end >= modes.notion_query_limit and len(rows) > modes.notion_query_limit
    cursor = f"{CURSOR}{end:011x}" if more else None
    return success(listing(results, cursor, new_version=new_version, incomplete=incomplete))


def _check_body(body: Any, known: set[str]) -> None:
    if not isinstance(body, dict):
        raise BadFilterError("body failed validation: body should be an object.")
    if unknown := sorted(set(body) - known):
        raise BadFilterError(f"body failed validation: body.{unknown[0]} should be not present.")


def _page_size(body: Json) -> int:
    size = body.get("page_size", LARGEST_PAGE)
    if not isinstance(size, int) or isinstance(size, bool):
        raise BadFilterError("body failed validation: body.page_size should be a number.")
    if size > LARGEST_PAGE:
        raise BadFilterError(f"body failed validation: body.page_size should be ≤ {LARGEST_PAGE}, instead was {size}.")
    return max(size, 1)


def _position(body: Json) -> int:
    if "start_cursor" not in body:
        return 0
    match = re.fullmatch(f"{CURSOR}([0-9a-f]{{11}})", str(body["start_cursor"]))
    if match is None:
        raise BadFilterError(f"The start_cursor provided is invalid: {body['start_cursor']}")
    return int(match[1], 16)


def _chosen(pages: list[Page], body: Json, columns: list[Property]) -> list[Page]:
    """The rows in order; trashed ones only when asked for."""
    named = {column.name: column for column in columns} | {column.id: column for column in columns}
    trashed = bool(body.get("in_trash") or body.get("archived"))
    rows = [page for page in pages if page.in_trash == trashed]
    if body.get("filter") is not None:
        test = compile_filter(body["filter"], named)
        rows = [page for page in rows if test(page)]
    for sort in reversed(body.get("sorts") or []):
        rows = _sorted(rows, sort, named)
    return rows


def _sorted(rows: list[Page], sort: Any, columns: dict[str, Property]) -> list[Page]:
    if not isinstance(sort, dict) or sort.get("direction") not in {"ascending", "descending"}:
        raise BadFilterError("body failed validation: body.sorts[0].direction should be ascending or descending.")
    down = sort["direction"] == "descending"
    if timestamp := TIMESTAMPS.get(sort.get("timestamp", "")):
        return sorted(rows, key=lambda page: (timestamp(page), page.id), reverse=down)
    column = columns.get(sort.get("property", ""))
    if column is None:
        raise BadFilterError(f"Could not find sort property with name or id: {sort.get('property')}")
    plain = column.plain
    if column.type == "date":
        return sorted(rows, key=lambda page: date_text(plain(page)) or "", reverse=down)
    return sorted(rows, key=lambda page: str(plain(page) or ""), reverse=down)


def _trimmed(columns: list[Property], wanted: list[str]) -> list[Property]:
    return [column for column in columns if not wanted or column.id in wanted or column.name in wanted]


TOKEN = "sandbox-notion-token"  # noqa: S105 - public, it opens nothing but the sandbox
OLD_VERSION = "2022-06-28"
NEW_VERSION = "2025-09-03"


def answer(call: Call, world: World, modes: Modes) -> Answer:
    """What Notion answers."""
    if refusal := _refusal(call, modes):
        return refusal
    new_version = call.headers["notion-version"] >= NEW_VERSION
    match [call.method, *call.path.strip("/").split("/")]:
        case ["GET", "users", "me"]:
            return success(BOT)
        case ["GET", "databases", key]:
            body = database_json(properties(modes), new_version=new_version, several=modes.notion_several_sources)
            return _shared("database", key, (DATABASE_ID,)) or success(body)
        case ["POST", "databases", key, "query"] if not new_version:
            return _query_database(call, key, world, modes)
        case ["GET", "data_sources", key] if new_version:
            refused = _shared("data source", key, _sources(modes))
            return refused or success(data_source_json(_dashed(key), properties(modes)))
        case ["POST", "data_sources", key, "query"] if new_version:
            return _query_source(call, key, world, modes)
        case ["GET", "pages", key]:
            pages = {page.id: page for page in world.pages}  # a trashed one too
            refused = _shared("page", key, pages)
            return refused or success(page_json(pages[_dashed(key)], properties(modes), new_version=new_version))
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


def database_json(columns: Sequence[Property], *, new_version: bool, several: bool) -> Json:
    """The database: with its schema in the old version, with its data sources in the new one."""
    zone = "+00:00" if new_version else "Z"
    body: Json = {
        "object": "database", "id": DATABASE_ID, "created_time": f"{MADE}{zone}", "last_edited_time": f"{MADE}{zone}",
        "title": rich_text("Estudiantes"), "description": [], "icon": None, "cover": None, "is_inline": False,
        "archived": False, "in_trash": False, "parent": {"type": "workspace", "workspace": True},
        "url": f"https://www.notion.so/{DATABASE_ID.replace('-', '')}", "public_url": None,
    }  # fmt: skip
    if not new_version:
        return body | {"properties": schema_json(columns)}
    sources = [{"id": SOURCE_ID, "name": "Estudiantes"}, {"id": OTHER_SOURCE_ID, "name": "Antiguos"}]
    return body | {"is_locked": False, "data_sources": sources if several else sources[:1]}


def data_source_json(source_id: str, columns: Sequence[Property]) -> Json:
    """A data source, which has the schema since 2025-09-03."""
    return {
        "object": "data_source", "id": source_id, "created_time": f"{MADE}Z", "last_edited_time": f"{MADE}Z",
        "title": rich_text("Estudiantes"), "description": [], "icon": None, "archived": False, "in_trash": False,
        "parent": {"type": "database_id", "database_id": DATABASE_ID}, "properties": schema_json(columns),
        "database_parent": {"type": "workspace", "workspace": True},
    }  # fmt: skip


def schema_json(columns: Sequence[Property]) -> dict[str, Any]:
    """Name -> what the property is."""
    return {column.name: column.schema() for column in columns}
