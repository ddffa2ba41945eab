"""The fake Notion API: its queries with their filters, and its objects and errors.

Ids answer dashed whatever was asked.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
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
    """What filters and sorts see: text, a status name, an ISO date."""

    def value(self, page: Page) -> Json:
        """The property as a page object carries it."""
        if self.usual_name in page.raw:
            spoiled: Json = page.raw[self.usual_name]
            return spoiled
        plain = self.plain(page)
        shown = _SHAPES[self.type](plain) if self.type in _SHAPES else plain
        return {"id": self.id, "type": self.type, self.type: shown}

    def schema(self) -> Json:
        """The property as the database's schema lists it."""
        options = [{"id": name.lower(), "name": name, "color": color} for name, color in STATUS_COLORS.items()]
        detail: Json = {"options": options} if self.type in {"select", "status"} else {}
        return {"id": self.id, "name": self.name, "type": self.type, self.type: detail}


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


def date_text(value: PageDate | None) -> str | None:
    """What a date filter compares: the ISO text, moments in UTC."""
    if value is None:
        return None
    return value.at.astimezone(UTC).isoformat() if value.at else value.start.isoformat()


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "title": rich_text,
    "rich_text": rich_text,
    "select": _option,
    "status": _option,
    "date": _date,
}
"""Of the types whose value is not just the plain one."""


LARGEST_GROUP = 100
DEEPEST = 2
Test = Callable[[Page], bool]
Operator = Callable[[Any, Any], bool]

_EQUALITY: dict[str, Operator] = {
    "equals": lambda value, given: value == given,
    "does_not_equal": lambda value, given: value != given,
}
_TEXT: dict[str, Operator] = {
    "contains": lambda value, given: given in (value or ""),
    "does_not_contain": lambda value, given: given not in (value or ""),
    "starts_with": lambda value, given: (value or "").startswith(given),
    "ends_with": lambda value, given: (value or "").endswith(given),
}
_ORDER: dict[str, Operator] = {
    "equals": lambda value, given: value == given,
    "before": lambda value, given: value < given,
    "after": lambda value, given: value > given,
    "on_or_before": lambda value, given: value <= given,
    "on_or_after": lambda value, given: value >= given,
}
_PRESENCE: dict[str, Operator] = {
    "is_empty": lambda value, _: value in (None, "", []),
    "is_not_empty": lambda value, _: value not in (None, "", []),
}
_OPERATORS: dict[str, dict[str, Operator]] = {
    **dict.fromkeys(("title", "rich_text", "email"), _EQUALITY | _TEXT | _PRESENCE),
    **dict.fromkeys(("select", "status", "checkbox", "number"), _EQUALITY | _PRESENCE),
    "date": _ORDER | _PRESENCE,
}


TIMESTAMPS = {"created_time": attrgetter("created_at"), "last_edited_time": attrgetter("last_edited_at")}


class BadFilterError(Exception):
    """What the API answers 400 `validation_error` to; the text is the message."""


@dataclass(frozen=True)
class _Equals:
    """The condition that a property is a text."""

    column: Property
    text: str

    def __call__(self, page: Page) -> bool:
        return bool(self.column.plain(page) == self.text)


def compile_filter(given: Any, columns: Mapping[str, Property], depth: int = 0) -> Test:
    """The filter as a test.

    Raises:
        BadFilterError: an unknown property or operator, another type than the property's, too many conditions
            in a group, or groups nested too deep.
    """
    if not isinstance(given, dict):
        raise BadFilterError("body failed validation: body.filter should be an object.")
    for word, combine in (("or", any), ("and", all)):
        if word in given:
            return _group(word, combine, given[word], columns, depth)
    if "timestamp" in given:
        return _timestamp(given)
    return _condition(given, columns)


def _group(word: str, combine: Callable[[Any], bool], parts: Any, columns: Mapping[str, Property], depth: int) -> Test:
    if not isinstance(parts, list):
        raise BadFilterError(f"body failed validation: body.filter.{word} should be an array.")
    if len(parts) > LARGEST_GROUP:
        raise BadFilterError(
            f"body failed validation: body.filter.{word}.length should be ≤ {LARGEST_GROUP}, instead was {len(parts)}."
        )
    if depth >= DEEPEST:
        raise BadFilterError(f"body failed validation: filters may be nested {DEEPEST} levels deep.")
    tests = [compile_filter(part, columns, depth + 1) for part in parts]
    equal = [test for test in tests if isinstance(test, _Equals)]
    if word == "or" and len(equal) == len(tests) and len({test.column.id for test in equal}) == 1:
        # The lookup of many addresses at once, without trying each condition on each page.
        plain, texts = equal[0].column.plain, {test.text for test in equal}
        return lambda page: plain(page) in texts
    return lambda page: combine(test(page) for test in tests)


def _condition(given: dict[str, Any], columns: Mapping[str, Property]) -> Test:
    name = given.get("property")
    column = columns.get(name) if isinstance(name, str) else None
    if column is None:
        raise BadFilterError(f"Could not find property with name or id: {name}")
    kinds = [key for key in given if key not in {"property", "type"}]
    if kinds != [column.type]:
        raise BadFilterError(f"database property {column.type} does not match filter {''.join(kinds)}")
    compare, value = _operator(given[column.type], _OPERATORS.get(column.type, _PRESENCE))
    if column.type == "date" and compare not in _PRESENCE.values():
        return lambda page: _compare_dates(compare, date_text(column.plain(page)), value)
    if compare is _EQUALITY["equals"] and isinstance(value, str):
        return _Equals(column, value)
    return lambda page: compare(column.plain(page), value)


def _operator(given: Any, operators: dict[str, Operator]) -> tuple[Operator, Any]:
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in operators:
        raise BadFilterError(f"body failed validation: body.filter should have one of {', '.join(operators)}.")
    name, value = next(iter(given.items()))
    return operators[name], value


def _timestamp(given: dict[str, Any]) -> Test:
    """`created_time` and `last_edited_time` are compared as they are shown: rounded down to the minute."""
    kind = given["timestamp"]
    if kind not in TIMESTAMPS:
        raise BadFilterError("body failed validation: body.filter.timestamp is not a timestamp.")
    compare, value = _operator(given.get(kind), _ORDER)
    return lambda page: _compare_dates(compare, notion_time(TIMESTAMPS[kind](page)), value)


def _compare_dates(compare: Operator, text: str | None, given: Any) -> bool:
    """A date without a time compares whole days; without an offset it is UTC."""
    if text is None:
        return False
    if "T" not in str(given):
        return compare(_moment(text).date(), _moment(given).date())
    return compare(_moment(text), _moment(given))


def _moment(given: Any) -> datetime:
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError:
        raise BadFilterError(
            "body failed validation: a filter's date should be a valid ISO 8601 date string."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


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
