"""Notion: the pages of the students' database (docs/vendors.md, Notion)."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python

from steps.errors import ConfigError, VendorError, VendorPayloadError, VendorRejectedError
from steps.ledger.client import normalize_email
from steps.settings import NotionSettings, SyncSettings, required
from steps.vendors.http import USUAL, Ask, Connector, HttpRules, Site, VendorHttp, address, credential
from steps.vendors.parsing import (
    TRANSIENT,
    Answer,
    FieldError,
    Json,
    Listing,
    Rows,
    child,
    identifier,
    iso_day,
    moment,
    parse_json,
    record,
    text,
)

_TEXT_LISTS = ("rich_text", "title")
_OPTIONS = ("select", "status")


@dataclass(frozen=True, slots=True)
class StudentPage:
    """One person's page in the students' database."""

    id: str
    """With dashes, lower case, whatever form it came in."""
    email: str | None
    educational_status: str | None
    """As written, such as `Not Completing`."""
    drop_date: date | None
    certified_at: date | None
    last_edited_time: datetime
    """Rounded down to the minute by Notion."""

    def as_read(self) -> Json:
        """What was read of the vendor's record, for people to look at: whole ones would fill the memory."""
        return to_jsonable_python(self)


def parse_student_page(names: NotionSettings, zone: ZoneInfo, row: dict[str, Any]) -> StudentPage:
    """One page of a query.

    Raises:
        FieldError: a property is of a type that cannot hold what it should.
    """
    properties = child(row, "properties")
    edited = moment(row, "last_edited_time")
    if edited is None:
        raise FieldError("last_edited_time is missing")
    return StudentPage(
        id=page_id(identifier(row)),
        email=normalize_email(_text(properties, names.email_property)),
        educational_status=_option(properties, names.status_property),
        drop_date=_day(properties, names.drop_date_property, zone),
        certified_at=_day(properties, names.certified_property, zone),
        last_edited_time=edited,
    )


def page_id(value: str) -> str:
    """A UUID with dashes, lower case: both forms occur.

    Raises:
        FieldError: it is none.
    """
    try:
        return str(UUID(value))
    except ValueError:
        raise FieldError(f"id {value!r} is no UUID") from None


def _text(properties: dict[str, Any], name: str) -> str:
    value = child(properties, name)
    kind = value.get("type")
    if not value:
        return ""
    if kind == "email":
        return text(value, "email")
    if kind not in _TEXT_LISTS:
        raise FieldError(f"property {name!r} is of type {kind!r}; email, rich_text or title is expected")
    pieces = value.get(kind) or []
    if not isinstance(pieces, list):
        raise FieldError(f"property {name!r} holds no list of texts")
    return "".join(str(record(piece).get("plain_text") or "") for piece in pieces)


def _option(properties: dict[str, Any], name: str) -> str | None:
    value = child(properties, name)
    kind = value.get("type")
    if not value:
        return None
    if kind not in _OPTIONS:
        raise FieldError(f"property {name!r} is of type {kind!r}; select or status is expected")
    return text(child(value, kind), "name") or None


def _day(properties: dict[str, Any], name: str, zone: ZoneInfo) -> date | None:
    """A range counts by its start; a time by its local day."""
    value = child(properties, name)
    if not value:
        return None
    if value.get("type") != "date":
        raise FieldError(f"property {name!r} is of type {value.get('type')!r}; date is expected")
    start = child(value, "date").get("start")
    return None if start is None else iso_day(name, start, zone)


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


__all__ = ["NotionConnector", "StudentPage", "open_notion"]

PAGE_SIZE = 100
_VERSION, _SOURCES_VERSION = "2022-06-28", "2025-09-03"
"""The older one needs no schema request; the newer one is for databases of several data sources."""
_SHARE = "share the database with the integration, and check NOTION_DATABASE_ID"
_ADVICE = {401: "check NOTION_TOKEN", 403: "the integration lacks a capability: see NOTION_TOKEN", 404: _SHARE}
_OLDEST_FIRST = [{"timestamp": "created_time", "direction": "ascending"}]
_TRASH = ("in_trash", "archived")
_NO_PAGES = ("database", "data_source")


@dataclass
class _Scan:
    """Where the reading of one query is."""

    request: Ask
    rows: Rows[StudentPage]
    cursor: str | None = None
    since: str | None = None
    """Creation time from which the query goes on after Notion's limit of 10,000 rows."""

    def next_request(self) -> Ask:
        """`start_cursor` is left out at first: null is refused."""
        body: dict[str, Any] = {"page_size": PAGE_SIZE, "sorts": _OLDEST_FIRST}
        if self.cursor is not None:
            body["start_cursor"] = self.cursor
        if self.since is not None:
            body["filter"] = {"timestamp": "created_time", "created_time": {"on_or_after": self.since}}
        return replace(self.request, body=body)


class NotionConnector(Connector):
    """Reads the students' database. Use it in a `with`, or close it."""

    def __init__(self, settings: NotionSettings, rules: HttpRules = USUAL) -> None:
        """Only keeps what it needs; nothing is asked here.

        Raises:
            ConfigError: `NOTION_TOKEN` or `NOTION_DATABASE_ID` is not set.
        """
        token = credential("NOTION_TOKEN", settings.token, "Notion")
        self._database = required("NOTION_DATABASE_ID", settings.database_id, "Notion").strip()
        if not self._database.replace("-", "").isalnum():
            raise ConfigError("NOTION_DATABASE_ID is no id: it is the 32 letters and digits in the database's address")
        self._names, self._zone = settings, SyncSettings.load().zone
        self._properties: set[str] = set()
        """Names that a page of the list has, filled or not."""
        base_url = address("NOTION_BASE_URL", settings.base_url)
        site = Site(VENDOR, base_url, settings.rate, _ADVICE, TRANSIENT | {409}, rules, explain=explain)
        super().__init__(VendorHttp(site, headers={"Authorization": f"Bearer {token}"}))

    def check(self) -> None:
        """Ask for one page, to see whether the vendor answers, takes the credential and has the database."""
        request = replace(_query(f"/databases/{self._database}/query", _VERSION), body={"page_size": 1})
        with suppress(MultipleDataSourcesError):  # it is there, and in several parts
            _results(request, self._http.ask(request))

    def student_pages(self) -> Listing[StudentPage]:
        """Every page of the database that is not in the trash: a full scan solves letter case and duplicates.

        Raises:
            VendorPayloadError: no page has the email property, which was probably renamed.
        """
        rows = Rows("page", partial(parse_student_page, self._names, self._zone), stamp="last_edited_time")
        self._properties.clear()
        try:
            rows.take(self._scan(_query(f"/databases/{self._database}/query", _VERSION), rows))
        except MultipleDataSourcesError as several:
            for source in several.data_source_ids:
                rows.take(self._scan(_query(f"/data_sources/{source}/query", _SOURCES_VERSION), rows))
        if len(rows):
            self._check_names()
        return rows.listing()

    def _scan(self, request: Ask, rows: Rows[StudentPage]) -> Rows[StudentPage]:
        """One query to its end; from its beginning once more when its cursor expired."""
        try:
            return self._read(_Scan(request, rows.emptied()))
        except CursorExpiredError:
            self._progress.update(f"{VENDOR}: the cursor expired: the scan begins again")
            return self._read(_Scan(request, rows.emptied()))

    def _read(self, scan: _Scan) -> Rows[StudentPage]:
        """Follow `next_cursor`, never the number of rows: a page may be short while more follow."""
        cursors: set[str] = set()
        while True:
            answer = self._http.ask(scan.next_request())
            results = _results(scan.request, answer)
            living = [row for row in results if _is_living_page(row)]
            new = scan.rows.add(living)
            self._properties.update(*map(_property_names, living))
            self._progress.update(f"{VENDOR}: {len(scan.rows)} pages read")
            scan.cursor = _next_cursor(scan.request, answer)
            if scan.cursor is None:
                if not _is_incomplete(answer):
                    return scan.rows
                scan.since = _created_after(scan, results, new)
                cursors.clear()  # it is another query, with cursors of its own
            elif scan.cursor in cursors:
                raise VendorPayloadError(VENDOR, str(scan.request), "a cursor repeats: the list would never end")
            else:
                cursors.add(scan.cursor)

    def _check_names(self) -> None:
        """Names can be changed by any editor: absent everywhere is a renamed property, not an empty one."""
        variables = {
            "NOTION_STATUS_PROPERTY": self._names.status_property,
            "NOTION_DROP_DATE_PROPERTY": self._names.drop_date_property,
            "NOTION_CERTIFIED_PROPERTY": self._names.certified_property,
        }
        email = self._names.email_property
        if email not in self._properties:
            verdict = f"no page has the property {email!r}: was it renamed? set NOTION_EMAIL_PROPERTY to its new name"
            raise VendorPayloadError(VENDOR, f"POST /databases/{self._database}/query", verdict)
        for variable, name in variables.items():
            if name not in self._properties:
                self._progress.log(f"{VENDOR}: no page has the property {name!r}; if it was renamed, set {variable}")


def open_notion(rules: HttpRules = USUAL) -> NotionConnector:
    """The connector of the environment's settings, to be used in a `with`.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    return NotionConnector(NotionSettings.load(), rules)


def _query(path: str, version: str) -> Ask:
    return Ask("POST", path, headers={"Notion-Version": version})


def _is_living_page(row: Json) -> bool:
    """A query may also list data sources; trashed pages are left out by Notion, and here in any case."""
    if not isinstance(row, dict):
        return True  # is rejected when it is parsed
    return row.get("object") not in _NO_PAGES and not any(row.get(flag) is True for flag in _TRASH)


def _property_names(row: Json) -> Iterable[str]:
    properties = row.get("properties") if isinstance(row, dict) else None
    return properties if isinstance(properties, dict) else ()


def _results(request: Ask, answer: Json) -> list[Json]:
    if isinstance(answer, dict) and isinstance(answer.get("results"), list):
        return list(answer["results"])
    raise VendorPayloadError(VENDOR, str(request), "no list `results` in the answer")


def _next_cursor(request: Ask, answer: dict[str, Json]) -> str | None:
    cursor = answer.get("next_cursor")
    if not answer.get("has_more"):
        return None
    if not isinstance(cursor, str) or not cursor:
        raise VendorPayloadError(VENDOR, str(request), "`has_more` without `next_cursor`: the list is not whole")
    return cursor


def _is_incomplete(answer: dict[str, Json]) -> bool:
    """Notion ends a query after 10,000 rows and says so here."""
    status = answer.get("request_status")
    return isinstance(status, dict) and status.get("type") == "incomplete"


def _created_after(scan: _Scan, results: list[Json], new: int) -> str:
    """The creation time to go on from: that of the last row, included, for times are rounded to the minute."""
    last = results[-1].get("created_time") if results and isinstance(results[-1], dict) else None
    if not isinstance(last, str) or last == scan.since or not new:
        verdict = "more rows than one query gives, and no later creation time to go on from"
        raise VendorPayloadError(VENDOR, str(scan.request), verdict)
    return last
