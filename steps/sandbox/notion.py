"""The fake Notion API."""

from typing import Any
from uuid import UUID

from steps.sandbox import notion_json as shapes
from steps.sandbox.exchange import Answer, Call, Json, Modes
from steps.sandbox.notion_filter import BadFilterError, Property, compile_filter, date_text, properties
from steps.sandbox.records import Page
from steps.sandbox.world import World

LARGEST_PAGE = 100
CURSOR = "1b2c3d4e-0000-4000-8000-c{:011x}"
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
    except BadFilterError as error:
        return shapes.error(400, "validation_error", str(error))
    size = min(size, modes.notion_page_rows or size)
    end = min(start + size, modes.notion_query_limit)
    more = end < min(len(rows), modes.notion_query_limit)
    results = [shapes.page(row, shown, new_version=new_version) for row in rows[start:end]]
    incomplete = not more and end >= modes.notion_query_limit and len(rows) > modes.notion_query_limit
    cursor = CURSOR.format(end) if more else None
    return shapes.success(shapes.listing(results, cursor, new_version=new_version, incomplete=incomplete))


def invalid_cursor(cursor: object) -> BadFilterError:
    """What a cursor that expired, or never was one, is told."""
    return BadFilterError(f"The start_cursor provided is invalid: {cursor}")


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
    cursor = body["start_cursor"]
    head, _, tail = str(cursor).rpartition("-c")
    if not isinstance(cursor, str) or f"{head}-c" != CURSOR[: len(head) + 2] or not _is_uuid(cursor):
        raise invalid_cursor(cursor)
    return int(tail, 16)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


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
    if sort.get("timestamp") == "created_time":
        return sorted(rows, key=lambda page: (page.created_at, page.id), reverse=down)
    if sort.get("timestamp") == "last_edited_time":
        return sorted(rows, key=lambda page: (page.last_edited_at, page.id), reverse=down)
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
            return shapes.success(shapes.bot())
        case ["GET", "databases", key]:
            body = shapes.database(properties(modes), new_version=new_version, several=modes.notion_several_sources)
            return _shared("database", key, (shapes.DATABASE_ID,)) or shapes.success(body)
        case ["POST", "databases", key, "query"] if not new_version:
            return _query_database(call, key, world, modes)
        case ["GET", "data_sources", key] if new_version:
            source = shapes.data_source(_dashed(key) or key, properties(modes))
            return _shared("data source", key, _sources(modes)) or shapes.success(source)
        case ["POST", "data_sources", key, "query"] if new_version:
            return _query_source(call, key, world, modes)
        case ["GET", "pages", key]:
            return _page(key, world, modes, new_version=new_version)
    return shapes.error(400, "invalid_request_url", "Invalid request URL.")


def _refusal(call: Call, modes: Modes) -> Answer | None:
    if call.headers.get("authorization") != f"Bearer {TOKEN}":
        return shapes.error(401, "unauthorized", "API token is invalid.")
    if "notion-version" not in call.headers:
        return shapes.error(
            400, "missing_version", "Notion-Version header failed validation: Notion-Version header should be defined."
        )
    if call.headers["notion-version"] not in {OLD_VERSION, NEW_VERSION}:
        return shapes.error(400, "validation_error", "Notion-Version header failed validation.")
    if modes.notion_forbidden:
        return shapes.error(403, "restricted_resource", "Insufficient permissions for this endpoint.")
    if call.content and call.body is None:
        return shapes.error(400, "invalid_json", "Error parsing JSON body.")
    return None


def _query_database(call: Call, key: str, world: World, modes: Modes) -> Answer:
    if refused := _shared("database", key, (shapes.DATABASE_ID,)):
        return refused
    if modes.notion_several_sources:
        details = {
            "error_type": "multiple_data_sources_for_database",
            "database_id": shapes.DATABASE_ID,
            "child_data_source_ids": list(_sources(modes)),
            "minimum_api_version": NEW_VERSION,
        }
        text = "Databases with multiple data sources are not supported in this API version."
        return shapes.error(400, "validation_error", text, details)
    return query(call, world.pages, modes, new_version=False)


def _query_source(call: Call, key: str, world: World, modes: Modes) -> Answer:
    """The students are in the first source; the one that somebody added is empty."""
    pages = world.pages if _dashed(key) == shapes.SOURCE_ID else []
    return _shared("data source", key, _sources(modes)) or query(call, pages, modes, new_version=True)


def _sources(modes: Modes) -> tuple[str, ...]:
    return (shapes.SOURCE_ID, shapes.OTHER_SOURCE_ID) if modes.notion_several_sources else (shapes.SOURCE_ID,)


def _page(key: str, world: World, modes: Modes, *, new_version: bool) -> Answer:
    """A trashed page still answers 200."""
    found = next((page for page in world.pages if page.id == _dashed(key)), None)
    if refused := _shared("page", key, (found.id,) if found else ()):
        return refused
    if found is None:
        return shapes.error(404, "object_not_found", f"Could not find page with ID: {key}.")
    return shapes.success(shapes.page(found, properties(modes), new_version=new_version))


def _shared(what: str, key: str, known: tuple[str, ...]) -> Answer | None:
    """The refusal of an id that is no UUID, or that the integration was not given: 404, not 403."""
    dashed = _dashed(key)
    if dashed is None:
        name = what.replace(" ", "_")
        text = f'path failed validation: path.{name}_id should be a valid uuid, instead was `"{key}"`.'
        return shapes.error(400, "validation_error", text)
    if dashed in known:
        return None
    return shapes.error(
        404,
        "object_not_found",
        f"Could not find {what} with ID: {dashed}. Make sure the relevant pages and databases are shared with your "
        "integration.",
    )


def _dashed(key: str) -> str | None:
    try:
        return str(UUID(key))
    except ValueError:
        return None
