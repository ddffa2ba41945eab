"""A year is closed month by month while Holded and the CRM change: pack, verify, explain and reports agree to the cent.

Another program redoes every posting from what `explain` says of it (`redone_by_hand.py`).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from sqlmodel import Session

from steps.closing import Candidate, Signature, close_month, verify
from steps.context import StepContext
from steps.corrections import Adjustment, adjust
from steps.invoices import reconcile
from steps.ledger.accrual import AccruedPeriod
from steps.ledger.months import MonthWindow, next_month
from steps.reports.groups import RollForwardBy, roll_forward_by
from steps.reports.journal import DEFERRED_NAME, journal
from steps.reports.monthly import monthly_accruals
from steps.reports.pack import pack_bytes, read_pack
from steps.reports.reconciliation import DifferenceKind
from steps.reports.roll_forward import roll_forwards
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from steps.settings import SyncSettings
from tests.fast_vendors import FAST
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tests.steps.accruals.reports.test_pack import checks
from tests.steps.accruals.test_redone_by_hand import explanations, redone
from tests.steps.calls import (
    accrue_month,
    sync_crm_clients,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)
from tests.steps.ledger_view import rows
from tracking.database import read_session

pytestmark = pytest.mark.long
YEAR = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))
CORRECTION, ADJUSTMENT = Decimal("12.34"), Decimal("-1.23")
ADJUSTED_IN = 6


@pytest.fixture
def academy(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """Sixty clients, each with a story of their own."""
    with serve_sandbox(build_world()) as server:
        for name, value in {**server.environment, **FAST}.items():
            monkeypatch.setenv(name, value)
        yield server


def settings() -> SyncSettings:
    """Those of the reports, with the method that the test's months are accrued by."""
    return SETTINGS.model_copy(update={"accrual_method": SyncSettings.load().accrual_method})


def disturb(world: World, month: date) -> None:
    """What happens in a month after the one before it was closed: for that one too."""
    before = next_month(month, -1)
    sold = [number for number, each in enumerate(world.invoices) if MonthWindow.of(before).start <= each.date < month]
    if not sold or before not in YEAR:
        return
    first = world.invoices[sold[0]]
    world.invoices[sold[0]] = replace(first, subtotal=first.subtotal + CORRECTION)
    late = world.invoices[sold[-1]]
    world.invoices.append(
        replace(late, id=f"late-{month:%Y-%m}", number=f"L-{month:%Y-%m}", sequence=9000 + month.month)
    )
    credited: dict[str, Any] = {"kind": "creditnote", "date": month + timedelta(days=9), "source_invoice_id": late.id}
    world.credit_notes.append(replace(late, id=f"credit-{month:%Y-%m}", number=f"R-{month:%Y-%m}", **credited))
    if len(sold) > 2:
        del world.invoices[sold[1]]
    at = datetime(month.year, month.month, 20, 12, tzinfo=ZoneInfo("Europe/Madrid"))
    active = (number for number, each in enumerate(world.enrollments) if each.educational_status == "ACTIVE")
    for number in list(active)[month.month : month.month + 1]:
        dropped: dict[str, Any] = {"educational_status": "DROPPED", "status_changed_at": at}
        world.enrollments[number] = replace(world.enrollments[number], **dropped)


def import_months(month: date) -> None:
    """The month, and the one before it once more."""
    sync_services()
    for start in (next_month(month, -1), month):
        if start in YEAR:
            sync_invoices(MonthWindow.of(start))
    for step in (sync_crm_clients, sync_service_periods):
        step(MonthWindow.of(month))
    sync_notion_external_ids()


def require_agreement(session: Session, month: date) -> None:
    """The month's reports say the same, and each of them ties out."""
    window = MonthWindow.of(month)
    rolled = roll_forwards(session, window, settings())
    entries, monthly = journal(session, month, settings()), monthly_accruals(session, window)
    assert rolled.months[0].ties_out
    assert entries.balanced
    for currency in rolled.currencies:
        line = rolled.months[0].line(currency)
        assert sum(monthly.totals.get(currency, {}).values()) == line.accrued + line.adjusted
        deferred = (each for each in entries.lines if each.account.name == DEFERRED_NAME and each.currency == currency)
        assert sum(each.credit - each.debit for each in deferred) == line.closing - line.opening
    pack = load_workbook(BytesIO(pack_bytes(read_pack(session, month, settings()))))
    assert {row[5].strip() for row in checks(pack)} == {"ok"}


def told(session: Session, month: date) -> list[Any]:
    """What the reports of a month say."""
    window = MonthWindow.of(month)
    monthly = monthly_accruals(session, window)
    rows = sorted((row.contract.id, row.period or "", row.contract.currency, row.total) for row in monthly.rows)
    return [roll_forwards(session, window, settings()).months, journal(session, month, settings()), rows]


@pytest.mark.usefixtures("method")
def test_a_year_of_closings_on_a_world_that_changes(academy: SandboxServer) -> None:
    books, closed, hashes = Books(), {}, []
    for month in (each.start for each in YEAR.months()):
        disturb(academy.world, month)
        import_months(month)
        if month.month == ADJUSTED_IN:
            adjust(Adjustment(5, ADJUSTMENT, next_month(month, -1)), Signature("Eva", "taught twice"), LATER)
        assert accrue_month(MonthWindow.of(month), LATER)["failures"] == []
        books.accrued(f"{month:%Y-%m}")
        with StepContext() as context:
            differences = reconcile(context, MonthWindow.of(month)).differences
        assert {each.kind for each in differences} <= {DifferenceKind.WITHOUT_CONTRACT}
        with read_session() as session:
            require_agreement(session, month)
            for by in RollForwardBy:
                assert roll_forward_by(session, MonthWindow.of(month), by, settings()).ties_out
        hashes.append(close_month(Candidate(month, LATER, settings()), Signature("Eva")).hash)
        with read_session() as session:
            assert verify(session).difference is None
            closed[month] = told(session, month)

    with read_session() as session:
        for month, before in closed.items():
            require_agreement(session, month)
            assert told(session, month) == before
        year = roll_forwards(session, YEAR, settings())
        assert year.ties_out
        assert year.tie_out.never_accrued == ()
        assert year.summary("EUR").late != 0
        assert year.summary("EUR").adjusted == ADJUSTMENT
        assert [close.hash for close in verify(session).closes] == hashes
        for by in RollForwardBy:
            assert roll_forward_by(session, YEAR, by, settings()).ties_out
    explained = list(explanations())
    assert redone(explained) == f"{len(explained)} explanations, 0 differences\n"
    assert sum(Decimal(each["posted"]) for each in explained) == sum(
        row["accrued_amount"] for row in rows(AccruedPeriod)
    )
