"""Reports: what was accrued, and what is still deferred."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from flows.api.lists import TaggedRoute, csv_answer, file_answer
from flows.api.problems import file_of, not_modified, problems
from flows.api.runs import AppSettings
from flows.api.schemas import FirstOfMonth, KeptText
from flows.api.security import OPERATE, READ
from flows.parameters import AskedRange, months_of_year, parse_month, parse_month_date, resolve_range
from flows.plan import Year
from steps.context import StepContext
from steps.invoices import reconcile
from steps.ledger.months import MonthWindow
from steps.reports.basis import read_basis
from steps.reports.export import as_json, monthly_sheet
from steps.reports.groups import RollForwardBy, roll_forward_by
from steps.reports.journal import journal
from steps.reports.monthly import ContractFilter, monthly_accruals
from steps.reports.pack import pack_bytes, read_pack
from steps.reports.reconciliation import last_reconciliation
from steps.reports.roll_forward import roll_forwards
from steps.reports.spreadsheet import XLSX_TYPE, CsvFormat, csv_text
from steps.reports.waterfall import waterfall
from tracking.database import read_session
from tracking.models import utc_now

router = APIRouter(prefix="/api/accruals", tags=["accruals"], dependencies=[READ], route_class=TaggedRoute)

_MONTH: dict[str, Any] = {
    "pattern": r"^\d{4}-\d{2}(-01)?$",
    "examples": ["2024-03"],
    "description": "YYYY-MM or YYYY-MM-01.",
}
Month = Annotated[str, Query(**_MONTH)]
MonthText = Annotated[str, Field(**_MONTH)]
"""The same in a body."""


def _wanted(
    client: KeptText | None = None, service: KeptText | None = None, contract: int | None = None
) -> ContractFilter:
    return ContractFilter(client, service, contract)


Wanted = Annotated[ContractFilter, Depends(_wanted)]
Csv = Annotated[CsvFormat, Query(alias="format", description="`csv-es`: for a Spanish Excel.")]


@router.get(
    "/export/csv",
    response_class=Response,
    responses={
        **file_of("A row per contract and period, a column per month, totals at the bottom."),
        **problems(),
        **not_modified(),
    },
)
def export_csv(
    settings: AppSettings,
    wanted: Wanted,
    start_date: FirstOfMonth | None = None,
    end_date: FirstOfMonth | None = None,
    csv_format: Csv = CsvFormat.CSV,
) -> Response:
    """What was accrued month by month, as a spreadsheet; without dates of the default year."""
    start = None if start_date is None else parse_month_date("start_date", start_date)
    end = None if end_date is None else parse_month_date("end_date", end_date)
    window = resolve_range(AskedRange(None, start, end), utc_now(), settings)
    with read_session() as session:
        report = monthly_accruals(session, window, wanted)
        sheet = replace(monthly_sheet(report), notes=read_basis(session, settings).lines)
    return csv_answer(csv_text(sheet, spanish=csv_format is CsvFormat.SPANISH), f"accruals-{window}.csv")


@router.get("/roll-forward", responses={**problems(), **not_modified()})
def show_roll_forward(month: Month, settings: AppSettings, by: RollForwardBy | None = None) -> dict[str, Any]:
    """One month by currency: opening + late + invoiced - credited - accrued - adjusted = closing. Amounts are texts."""
    window = MonthWindow.of(parse_month(month))
    with read_session() as session:
        basis = read_basis(session, settings)
        if by is not None:
            return dict(as_json(roll_forward_by(session, window, by, settings), basis))
        report = roll_forwards(session, window, settings)
        whole = {"ties_out": report.ties_out, "tie_out": as_json(report.tie_out)}
        return dict(as_json(report.months[0], basis)) | whole


@router.get("/journal", responses={**problems(), **not_modified()})
def show_journal(month: Month, settings: AppSettings) -> dict[str, Any]:
    """The journal entries of a month, balanced per service and currency. Amounts are texts."""
    with read_session() as session:
        return dict(as_json(journal(session, parse_month(month), settings), read_basis(session, settings)))


@router.get("/waterfall", responses={**problems(), **not_modified()})
def show_waterfall(month: Month, settings: AppSettings) -> dict[str, Any]:
    """What is still deferred after a month, by the month expected to earn it, and what has none, with the reason."""
    with read_session() as session:
        return dict(as_json(waterfall(session, parse_month(month), settings), read_basis(session, settings)))


@router.get("/reconciliation", responses={**problems(HTTPStatus.NOT_FOUND), **not_modified()})
def show_reconciliation(month: Month, settings: AppSettings) -> dict[str, Any]:
    """The last comparison of a month with the invoicing system, whoever made it."""
    with read_session() as session:
        found = last_reconciliation(session, parse_month(month))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"{month} was never compared with the invoicing system")
        return dict(as_json(found, read_basis(session, settings)))


class ReconciliationRequest(BaseModel):
    """The month to be compared."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"month": "2024-03"}]})

    month: MonthText


@router.post("/reconciliation", dependencies=[OPERATE], responses=problems(HTTPStatus.BAD_GATEWAY))
def reconcile_month(asked: ReconciliationRequest, settings: AppSettings) -> dict[str, Any]:
    """Compare a month's documents with the invoicing system now; nothing of the ledger changes, and it is kept."""
    with StepContext(settings=settings) as context:
        found = reconcile(context, MonthWindow.of(parse_month(asked.month)))
    with read_session() as session:
        return dict(as_json(found, read_basis(session, settings)))


@router.get(
    "/pack",
    response_class=Response,
    responses={**file_of("Every report, and a cover that holds them against each other.", XLSX_TYPE), **problems()},
)
def export_pack(month: Month, settings: AppSettings) -> Response:
    """The month-end pack, as a workbook."""
    with read_session() as session:
        pack = read_pack(session, parse_month(month), settings)
    return file_answer(pack_bytes(pack), XLSX_TYPE, f"month-end-{pack.month:%Y-%m}.xlsx")


@router.get("/monthly/{year}", responses={**problems(), **not_modified()})
def show_year(year: Year, settings: AppSettings, wanted: Wanted) -> dict[str, Any]:
    """What was accrued in each month of a year, by contract and period. Amounts are texts."""
    with read_session() as session:
        return dict(as_json(monthly_accruals(session, months_of_year(year), wanted), read_basis(session, settings)))
