"""A query of the students' database: filter, sorts, pages of at most 100, opaque cursors, the 10,000-row cap."""

from typing import Any
from uuid import UUID

from steps.sandbox import notion_json as shapes
from steps.sandbox.campus import Page
from steps.sandbox.exchange import Answer, Call, Json
from steps.sandbox.modes import Modes
from steps.sandbox.notion_filter import BadFilterError, compile_filter
from steps.sandbox.notion_schema import Property, date_text, properties

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
