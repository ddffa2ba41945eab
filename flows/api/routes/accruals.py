"""Reports: what was accrued, and what is still deferred."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from flows.api.lists import TaggedRoute, csv_answer
from flows.api.problems import csv_file, not_modified, problems
from flows.api.runs import AppSettings
from flows.api.schemas import FirstOfMonth
from flows.parameters import AskedRange, months_of_year, parse_month, parse_month_date, resolve_range
from flows.plan import Year
from steps.reports.export import as_json, csv_text, monthly_sheet
from steps.reports.monthly import monthly_accruals
from steps.reports.roll_forward import roll_forward
from tracking.database import read_session
from tracking.models import utc_now

router = APIRouter(prefix="/api/accruals", tags=["accruals"], route_class=TaggedRoute)

Month = Annotated[
    str, Query(pattern=r"^\d{4}-\d{2}(-01)?$", examples=["2024-03"], description="YYYY-MM or YYYY-MM-01.")
]


@router.get(
    "/export/csv",
    response_class=Response,
    responses={
        **csv_file("A row per contract and period, a column per month, totals at the bottom."),
        **problems(),
        **not_modified(),
    },
)
def export_csv(
    settings: AppSettings, start_date: FirstOfMonth | None = None, end_date: FirstOfMonth | None = None
) -> Response:
    """What was accrued month by month, as a spreadsheet; without dates of the default year."""
    start = None if start_date is None else parse_month_date("start_date", start_date)
    end = None if end_date is None else parse_month_date("end_date", end_date)
    window = resolve_range(AskedRange(None, start, end), utc_now(), settings)
    with read_session() as session:
        report = monthly_accruals(session, window)
    return csv_answer(csv_text(monthly_sheet(report)), f"accruals-{window}.csv")


@router.get("/roll-forward", responses={**problems(), **not_modified()})
def show_roll_forward(month: Month, settings: AppSettings) -> dict[str, Any]:
    """One month, by currency: opening + late + invoiced - credited - accrued = closing. Amounts are texts."""
    with read_session() as session:
        return dict(as_json(roll_forward(session, parse_month(month), settings)))


@router.get("/monthly/{year}", responses={**problems(), **not_modified()})
def show_year(year: Year) -> dict[str, Any]:
    """What was accrued in each month of a year, by contract and period. Amounts are texts."""
    with read_session() as session:
        return dict(as_json(monthly_accruals(session, months_of_year(year))))
