"""Files to take along: reports and errors as CSV or XLSX. Addresses hold a year or a filter, never a person."""

from collections.abc import Callable
from datetime import date
from io import StringIO
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from flows.parameters import Year
from steps.accruals.reports.monthly import monthly_accruals
from steps.accruals.reports.roll_forward import roll_forwards
from steps.accruals.reports.sheet import Sheet, monthly_sheet, roll_forward_sheet
from steps.accruals.reports.spreadsheet import csv_text, xlsx_bytes
from steps.domain.months import MonthWindow
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.error_review import ErrorFilter, export_errors

_CSV = "text/csv; charset=utf-8"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_REPORTS: dict[str, Callable[[Session, MonthWindow], Sheet]] = {
    "accruals": lambda session, window: monthly_sheet(monthly_accruals(session, window)),
    "roll-forward": lambda session, window: roll_forward_sheet(roll_forwards(session, window, SyncSettings.load())),
}

Name = Annotated[str, Field(max_length=64)]


class WantedErrors(BaseModel):
    """What the view of errors is filtered by; what it is not filtered by is not sent."""

    model_config = ConfigDict(extra="forbid")

    integration_name: Name | None = None
    operation: Name | None = None
    entity_type: Name | None = None
    status: Name | None = None


def download_routes() -> APIRouter:
    """The files that the views link to."""
    router = APIRouter(prefix="/download", include_in_schema=False)

    @router.get("/errors.csv")
    def errors(wanted: Annotated[WantedErrors, Query()]) -> Response:
        file = StringIO(newline="")
        export_errors(file, ErrorFilter(**wanted.model_dump(), limit=None))
        return _file(file.getvalue().encode(), _CSV, "errors.csv")

    @router.get("/{report}.{ending}")
    def sheet(report: Literal["accruals", "roll-forward"], ending: Literal["csv", "xlsx"], year: Year) -> Response:
        with read_session() as session:
            made = _REPORTS[report](session, MonthWindow(date(year, 1, 1), date(year + 1, 1, 1)))
        name = f"{report}-{year}.{ending}"
        if ending == "xlsx":
            return _file(xlsx_bytes(made), _XLSX, name)
        return _file(csv_text(made).encode(), _CSV, name)

    return router


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
