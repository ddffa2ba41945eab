"""The picture that an accrual run leaves in Prefect: accrued and deferred revenue by month, one for each currency."""

from base64 import b64encode
from datetime import date
from functools import partial

from prefect.artifacts import create_image_artifact

from flows.summary import leniently
from steps.accruals.reports.chart import draw_roll_forward
from steps.accruals.reports.roll_forward import RollForwardChain, roll_forwards
from steps.domain.months import MonthWindow
from steps.settings import SyncSettings
from tracking.database import read_session


def leave_accrual_pictures(span: MonthWindow, settings: SyncSettings) -> None:
    """Draw the years that the run touched, up to its last month: a single month alone shows nothing."""
    window = MonthWindow(date(span.start.year, 1, 1), span.end)
    with read_session() as session:
        report = roll_forwards(session, window, settings)
    for currency in filter(report.moves, report.currencies):
        leniently(partial(_leave, report, currency))


def _leave(report: RollForwardChain, currency: str) -> None:
    picture = b64encode(draw_roll_forward(report, currency)).decode()
    create_image_artifact(
        image_url=f"data:image/png;base64,{picture}",
        key=f"sync-accruals-{currency.lower()}",
        description=f"Accrued and deferred revenue, {report.window}, in {currency}",
    )
