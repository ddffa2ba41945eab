"""Notion's objects and errors; ids answer dashed whatever was asked."""

from collections.abc import Sequence
from typing import Any

from steps.sandbox.exchange import Answer, Json, json_answer
from steps.sandbox.notion_filter import Property, rich_text
from steps.sandbox.records import Page, notion_time

DATABASE_ID = "1b2c3d4e-0000-4000-8000-00000000d001"
SOURCE_ID = "1b2c3d4e-0000-4000-8000-00000000e001"
OTHER_SOURCE_ID = "1b2c3d4e-0000-4000-8000-00000000e002"
OWNER: Json = {"object": "user", "id": "1b2c3d4e-0000-4000-8000-00000000b001"}
MADE = "2023-06-01T08:00:00.000"


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


def page(record: Page, columns: Sequence[Property], *, new_version: bool) -> Json:
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


def database(columns: Sequence[Property], *, new_version: bool, several: bool) -> Json:
    """The database: with its schema in the old version, with its data sources in the new one."""
    zone = "+00:00" if new_version else "Z"
    body: Json = {
        "object": "database", "id": DATABASE_ID, "created_time": f"{MADE}{zone}", "last_edited_time": f"{MADE}{zone}",
        "title": rich_text("Estudiantes"), "description": [], "icon": None, "cover": None, "is_inline": False,
        "archived": False, "in_trash": False, "parent": {"type": "workspace", "workspace": True},
        "url": f"https://www.notion.so/{DATABASE_ID.replace('-', '')}", "public_url": None,
    }  # fmt: skip
    if not new_version:
        return body | {"properties": schema(columns)}
    sources = [{"id": SOURCE_ID, "name": "Estudiantes"}, {"id": OTHER_SOURCE_ID, "name": "Antiguos"}]
    return body | {"is_locked": False, "data_sources": sources if several else sources[:1]}


def data_source(source_id: str, columns: Sequence[Property]) -> Json:
    """A data source, which has the schema since 2025-09-03."""
    return {
        "object": "data_source", "id": source_id, "created_time": f"{MADE}Z", "last_edited_time": f"{MADE}Z",
        "title": rich_text("Estudiantes"), "description": [], "icon": None, "archived": False, "in_trash": False,
        "parent": {"type": "database_id", "database_id": DATABASE_ID}, "properties": schema(columns),
        "database_parent": {"type": "workspace", "workspace": True},
    }  # fmt: skip


def schema(columns: Sequence[Property]) -> dict[str, Any]:
    """Name -> what the property is."""
    return {column.name: column.schema() for column in columns}


def bot() -> Json:
    """Who the token belongs to."""
    workspace = "1b2c3d4e-0000-4000-8000-00000000f002"
    limits = {"max_file_upload_size_in_bytes": 5242880}
    owner = {"type": "workspace", "workspace": True}
    inner = {"owner": owner, "workspace_name": "Example Academy", "workspace_id": workspace, "workspace_limits": limits}
    head = {"object": "user", "id": "1b2c3d4e-0000-4000-8000-00000000f001", "name": "Accruals importer"}
    return {**head, "avatar_url": None, "type": "bot", "bot": inner}
