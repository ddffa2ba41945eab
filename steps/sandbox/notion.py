"""Notion's API, versions 2022-06-28 and 2025-09-03, as vendors/notion.md describes it."""

from uuid import UUID

from steps.sandbox import notion_json as shapes
from steps.sandbox.exchange import Answer, Call
from steps.sandbox.modes import Modes
from steps.sandbox.notion_query import query
from steps.sandbox.notion_schema import properties
from steps.sandbox.world import World

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
