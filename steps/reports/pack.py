"""The month-end pack: a workbook with every report of a month, and a cover that holds them against each other."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import reduce
from importlib.metadata import version
from operator import add

from sqlalchemy import select
from sqlmodel import Session, col

from steps.ledger.accrual import ClosedMonth
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.basis import Basis, read_basis
from steps.reports.export import (
    grouped_sheet,
    journal_sheet,
    monthly_sheet,
    not_scheduled_sheet,
    reconciliation_sheet,
    roll_forward_sheet,
    waterfall_sheet,
)
from steps.reports.groups import RollForwardBy, roll_forward_by
from steps.reports.journal import journal
from steps.reports.monthly import monthly_accruals
from steps.reports.reconciliation import Reconciliation, last_reconciliation
from steps.reports.roll_forward import RollForwardChain
from steps.reports.spreadsheet import (
    HEAD,
    OPEN_ERROR,
    TITLE,
    TOTAL,
    Book,
    Formula,
    Sheet,
    errors_sheet,
    sum_where,
    total_cell,
)
from steps.reports.waterfall import Waterfall, waterfall
from steps.settings import SyncSettings
from tracking.integration_errors import ErrorFilter, find_errors
from tracking.models import ErrorStatus, utc_now


@dataclass(frozen=True, slots=True)
class Pack:
    """What is in it."""

    month: date
    made_at: datetime
    basis: Basis
    close: ClosedMonth | None
    """None: the month is open, or was closed with a later one."""
    roll_forward: RollForwardChain
    waterfall: Waterfall
    reconciliation: Reconciliation | None
    open_errors: int
    deferred_account: str
    sheets: dict[str, Sheet]
    """By what the checks call them, in the order of their tabs."""


def read_pack(session: Session, month: date, settings: SyncSettings) -> Pack:
    """Everything of one month."""
    window = MonthWindow.of(month)
    by_service = roll_forward_by(session, window, RollForwardBy.SERVICE, settings)
    to_come = waterfall(session, month, settings)
    reconciled = last_reconciliation(session, month)
    errors = find_errors(ErrorFilter(status=ErrorStatus.PENDING, limit=None))
    sheets = {
        "roll-forward": roll_forward_sheet(by_service.total),
        "by service": grouped_sheet(by_service),
        "journal": journal_sheet([journal(session, month, settings)]),
        "accruals": monthly_sheet(monthly_accruals(session, window)),
        "waterfall": waterfall_sheet(to_come),
        "not scheduled": not_scheduled_sheet(to_come),
        **({"reconciliation": reconciliation_sheet(reconciled)} if reconciled else {}),
        "errors": errors_sheet(errors, OPEN_ERROR),
    }
    basis = read_basis(session, settings)
    return Pack(
        month,
        utc_now().astimezone(settings.zone),
        basis,
        session.scalar(select(ClosedMonth).where(col(ClosedMonth.month) == month)),
        by_service.total,
        to_come,
        reconciled,
        len(errors),
        settings.deferred_account,
        {name: replace(sheet, notes=basis.lines) for name, sheet in sheets.items()},
    )


def pack_bytes(pack: Pack) -> bytes:
    """The workbook."""
    book = Book()
    _add_cover(book, pack)
    for sheet in pack.sheets.values():
        book.add_sheet(sheet, with_formulas=True)
    return book.done()


_WIDTHS = (48, 12, 18, 18, 14, 12)
_CHECK_HEAD = {
    "Check": "left", "Currency": "left", "is": "right", "should be": "right", "difference": "right", "": "left"
}  # fmt: skip


def _add_cover(book: Book, pack: Pack) -> None:
    title = f"Month-end pack {pack.month:%Y-%m}"
    worksheet = book.add_worksheet("Cover", _WIDTHS, title, pack.basis.lines)
    book.write_row(worksheet, 0, (title,), TITLE)
    row = 2
    for name, fact in _facts(pack):
        book.write(worksheet, (row, 0), name, HEAD)
        book.write(worksheet, (row, 1), fact, {})
        row += 1
    row += 1
    for index, (name, side) in enumerate(_CHECK_HEAD.items()):
        book.write(worksheet, (row, index), name, HEAD | {"align": side})
    for currency in filter(pack.roll_forward.moves, pack.roll_forward.currencies):
        for check in _checks(pack, currency):
            row += 1
            book.write_row(worksheet, row, _checked(check, currency, row + 1), {})
    for who in ("Prepared by", "Reviewed by", "Approved by"):
        row += 2
        book.write_row(worksheet, row, (who, "Name:", "", "Date:"), TOTAL)


def _checked(check: tuple[str, Formula, Formula], currency: str, number: int) -> Iterator[str | Formula]:
    """The cells of a check in row `number`, counted from 1."""
    label, left, right = check
    difference = (left - right).value
    yield from (label, currency, left, right, Formula(f"ROUND(C{number}-D{number},2)", difference))
    yield Formula(f'IF(E{number}=0," ok"," DIFFERS")', " DIFFERS" if difference else " ok")


def _facts(pack: Pack) -> Iterator[tuple[str, str]]:
    """What the cover says, a line each."""
    close, states = pack.close, pack.roll_forward.tie_out

    def at(moment: datetime) -> str:
        return f"{moment.astimezone(pack.made_at.tzinfo):%Y-%m-%d %H:%M %Z}"

    yield "Made on", at(pack.made_at)
    for line in pack.basis.lines:
        name, _, value = line.partition(": ")
        yield name, value
    if close is not None:
        reason = f": {close.reason}" if close.reason else ""
        yield "This month", f"closed by {close.closed_by} on {at(close.closed_at)}{reason}"
        frozen = ", ".join(f"{name.removeprefix('SYNC_')}={value or 'none'}" for name, value in close.policy.items())
        yield "Policy it was closed with", frozen or "not kept"
        yield "Hash of the close", close.hash or "none"
        yield "Closed with version", close.version or "not kept"
    else:
        is_closed = pack.basis.closed_to is not None and pack.month <= pack.basis.closed_to
        yield "This month", "closed with a later month" if is_closed else "OPEN: figures may still change"
    yield "Program version", version("sync-management")
    yield "Ties out", "yes" if pack.roll_forward.ties_out else "NO: see the checks, and sync-actions report"
    yield "Never accrued", ", ".join(f"{month:%Y-%m}" for month in states.never_accrued) or "no month of this pack"
    yield "Contracts that do not tie out", ", ".join(str(each.contract_id) for each in states.differences) or "none"
    if (found := pack.reconciliation) is None:
        yield "Reconciliation with Holded", f"not done: sync-actions report reconciliation {pack.month:%Y-%m}"
    else:
        differ = sum(not each.is_expected for each in found.differences)
        yield "Reconciliation with Holded", f"{at(found.made_at)}: {f'{differ} differences' if differ else 'agrees'}"
    yield "Integration errors open", str(pack.open_errors)


def _checks(pack: Pack, currency: str) -> Iterator[tuple[str, Formula, Formula]]:
    """What is held against what, with a label."""

    def total(sheet: str, column: str) -> Formula:
        return total_cell(pack.sheets[sheet], currency, column)

    late = next((each.late for each in pack.waterfall.totals if each.currency == currency), ZERO)
    opening, brought, came_late, invoiced, credited, accrued, adjusted, closing = (
        total("roll-forward", name)
        for name in ("opening", "brought_forward", "late", "invoiced", "credited", "accrued", "adjusted", "closing")
    )
    credit, debit = (
        sum_where(pack.sheets["journal"], side, {"account": pack.deferred_account, "currency": currency})
        for side in ("credit", "debit")
    )
    deferred, not_scheduled = (total("waterfall", name) for name in ("deferred", "not scheduled"))
    months = [name for name in pack.sheets["waterfall"].header if name[:4].isdigit()]
    yield (
        "Closing deferred, from opening and movements",
        opening + brought + came_late + invoiced - credited - accrued - adjusted,
        closing,
    )
    yield "Closing deferred, all services", total("by service", "closing"), closing
    yield "Accrued and adjusted, contract by contract", total("accruals", "total"), accrued + adjusted
    yield "Journal: debit and credit", total("journal", "debit"), total("journal", "credit")
    yield f"Journal: account {pack.deferred_account} moved", credit - debit, closing - opening - brought
    yield "Waterfall, with what came late since the close", deferred, closing + Formula(str(late), late)
    yield (
        "Waterfall, by month and not scheduled",
        reduce(add, (total("waterfall", name) for name in months), not_scheduled),
        deferred,
    )
    yield "Not scheduled, contract by contract", total("not scheduled", "not scheduled"), not_scheduled
