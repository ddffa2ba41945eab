"""Two of Notion's 400s that have an answer other than giving up (vendors/notion.md)."""

from steps.connectors.answers import Answer
from steps.connectors.json_value import Json, parse_json
from steps.errors import VendorError, VendorRejectedError

VENDOR = "notion"
_BAD_REQUEST = 400


class CursorExpiredError(VendorRejectedError):
    """Cursors may expire: the scan begins again."""


class MultipleDataSourcesError(VendorRejectedError):
    """Somebody added a data source to the database: the older API version no longer answers for it."""

    def __init__(self, request: str, data_source_ids: list[str]) -> None:
        self.data_source_ids = data_source_ids
        super().__init__(VENDOR, request, "the database has several data sources", status=_BAD_REQUEST)


def explain(answer: Answer) -> VendorError | None:
    """Read `code` and `additional_data`, never the text, save for the cursor, which has no code of its own."""
    if answer.status != _BAD_REQUEST:
        return None
    try:
        body = parse_json(answer.body)
    except ValueError:
        return None
    if not isinstance(body, dict) or body.get("code") != "validation_error":
        return None
    if sources := _data_sources(body.get("additional_data")):
        return MultipleDataSourcesError(answer.request, sources)
    if "cursor" in str(body.get("message")):
        verdict = f"{answer.status} ({answer.reason()})"
        return CursorExpiredError(VENDOR, answer.request, verdict, status=answer.status)
    return None


def _data_sources(additional: Json) -> list[str]:
    if not isinstance(additional, dict) or additional.get("error_type") != "multiple_data_sources_for_database":
        return []
    ids = additional.get("child_data_source_ids")
    return [source for source in ids if isinstance(source, str)] if isinstance(ids, list) else []
