"""The trail: who did what through the API and the page."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from flows.api.lists import PageOfList, SheetFormat, TaggedRoute, csv_answer, cut_page, read_cursor
from flows.api.problems import file_of, not_modified, problems
from flows.api.routes.executions import MOMENT, Moment
from flows.api.runs import AppSettings
from flows.api.security import READ
from flows.parameters import parse_moment
from steps.reports.spreadsheet import CsvFormat, audit_sheet, csv_text
from steps.settings import SyncSettings
from tracking.audit import AuditFilter, Door, audit_trail
from tracking.history import Place

router = APIRouter(prefix="/api/audit", tags=["audit"], dependencies=[READ], route_class=TaggedRoute)


class AuditQuery(BaseModel):
    """Which acts are wanted."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(default=None, pattern=MOMENT, description="Without an offset: SYNC_TIMEZONE.")
    until: Moment | None = Field(default=None, pattern=MOMENT, description="Excluded.")
    who: str | None = Field(default=None, max_length=64, pattern=r"^[^\x00]*$", description="A token's name.")

    def resolve(self, settings: SyncSettings, limit: int | None, older_than: int | None = None) -> AuditFilter:
        """As the trail knows it.

        Raises:
            UsageError: what should be a time is none.
        """
        moments = {
            name: parse_moment(name, text, settings.zone)
            for name in ("since", "until")
            if (text := getattr(self, name)) is not None
        }
        return AuditFilter(**moments, who=self.who, older_than=older_than, limit=limit)


class PageQuery(PageOfList, AuditQuery):
    """The same, a page at a time."""


class SheetQuery(SheetFormat, AuditQuery):
    """The same, and how the spreadsheet is written."""


class Act(BaseModel):
    """One act, or one wrong token."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    door: Door = Field(description="Where it came in.")
    who: str = Field(description="The token's name; empty: a wrong token.", examples=["ana"])
    role: str = Field(examples=["close"])
    address: str = Field(description="The client's.", examples=["192.0.2.7"])
    action: str = Field(examples=["accruals-post_adjustment"])
    asked: str = Field(description="What was sent, without secrets and emails.")
    outcome: str = Field(description="`begun`, `done`, or `refused` with the reason.", examples=["done"])


class ActPage(BaseModel):
    """Acts, newest first."""

    acts: list[Act]
    next_cursor: str | None = Field(description="Ask again with it as `cursor` for older ones; null: there are none.")


@router.get("", responses={**problems(), **not_modified()})
def list_acts(
    request: Request, response: Response, query: Annotated[PageQuery, Query()], settings: AppSettings
) -> ActPage:
    """Who did what, newest first; there is a next page as long as `next_cursor` is not null."""
    older_than = None if query.cursor is None else read_cursor(query.cursor, by_start=False).id
    found = audit_trail(query.resolve(settings, query.limit + 1, older_than))
    page, cursor = cut_page(request, response, found, query.limit, lambda each: Place(each.id or 0))
    return ActPage(acts=[Act.model_validate(each) for each in page], next_cursor=cursor)


@router.get(
    "/export/csv",
    response_class=Response,
    responses={**file_of("Every act that fits, newest first; no cell can carry a formula."), **problems()},
)
def export_csv(query: Annotated[SheetQuery, Query()], settings: AppSettings) -> Any:
    """The trail as a spreadsheet."""
    sheet = audit_sheet(audit_trail(query.resolve(settings, None)))
    return csv_answer(csv_text(sheet, spanish=query.csv_format is CsvFormat.SPANISH), "audit.csv")
