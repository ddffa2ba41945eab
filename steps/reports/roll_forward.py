"""The roll-forward: opening + brought forward + late + invoiced - credited - accrued - adjusted = closing.

By month and currency.

Opening and closing are worked out by different ways, so that an amount that slipped in or out shows as a difference: a
closing from all documents and all postings to date, the opening after a closed month from what was stored with it. What
arrived for closed months since then, or changed, or became void, is the line `late` of the first open month. What
remains by the accruals' own states is compared too, contract by contract (`read_tie_out`).

`draw_roll_forward()` makes a picture of it: what was accrued each month, and what was still deferred after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any, Literal, cast

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from steps.catalog import ACCRUALS
from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ClosedMonth, ContractAccrual
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, first_of_month, last_of_month, next_month
from steps.ledger.movements import (
    Movement,
    Movements,
    cents,
    counted_amount,
    from_cents,
    read_movements,
    sum_of_cents,
)
from steps.settings import SyncSettings
from tracking.models import ExecutionStatus, SyncExecution, utc_now

_NOTHING = Movement()


@dataclass(frozen=True, slots=True)
class RollForwardLine:
    """One currency of a month, or of several months in a row."""

    currency: str
    opening: Decimal = ZERO
    late: Decimal = ZERO
    """Documents of closed months that came, changed or became void after the closing."""
    invoiced: Decimal = ZERO
    credited: Decimal = ZERO
    accrued: Decimal = ZERO
    closing: Decimal = ZERO
    unlinked: Decimal = ZERO
    """Documents without a contract: a line of their own, in no total."""
    documents_to_date: Decimal = ZERO
    """All documents behind `closing`; kept with a closed month, to see later what came late."""
    adjusted: Decimal = ZERO
    """What persons posted; negative: given back to what is deferred."""
    brought_forward: Decimal = ZERO
    """Opening balances of the ledger, in its first month."""

    @property
    def difference(self) -> Decimal:
        """What is missing between opening and closing: 0.00, or the books do not tie out."""
        came = self.opening + self.brought_forward + self.late + self.invoiced - self.credited
        return came - self.accrued - self.adjusted - self.closing

    @property
    def deferred_or_earned(self) -> bool:
        """Whether there is any amount that belongs in a total."""
        return any(getattr(self, name) for name in MOVED)


@dataclass(frozen=True, slots=True)
class RollForward:
    """One month, in order of currency."""

    month: date
    closed: bool
    lines: tuple[RollForwardLine, ...]

    @property
    def ties_out(self) -> bool:
        """Whether opening and movements make the closing, in every currency."""
        return all(line.difference == ZERO for line in self.lines)

    def line(self, currency: str) -> RollForwardLine:
        """The line of a currency; zeros if the month knows nothing of it."""
        return next((line for line in self.lines if line.currency == currency), RollForwardLine(currency))


@dataclass(frozen=True, slots=True)
class StateDifference:
    """A contract whose documents less postings are not what its accrual state says remains."""

    contract_id: int
    currency: str
    documents: Decimal
    posted: Decimal
    remaining: Decimal | None
    """By its state; None: it has none, the accruals never processed it."""


@dataclass(frozen=True, slots=True)
class TieOut:
    """What is compared besides the months' own figures."""

    accrued_to: date | None = None
    """The last month that was accrued: as of its end the states are compared. None: no month ever was."""
    differences: tuple[StateDifference, ...] = ()
    """In order of contract."""
    never_accrued: tuple[date, ...] = ()
    """Months of the range that are over and were never accrued, from the first one on in which anything happened."""


@dataclass(frozen=True, slots=True)
class RollForwardChain:
    """Months in a row."""

    window: MonthWindow
    months: tuple[RollForward, ...]
    tie_out: TieOut = TieOut()

    @property
    def currencies(self) -> tuple[str, ...]:
        """Every currency of any month."""
        return tuple(sorted({line.currency for month in self.months for line in month.lines}))

    def moves(self, currency: str) -> bool:
        """Whether anything of a currency was deferred or earned; documents without a contract are neither."""
        return any(
            line.deferred_or_earned for month in self.months for line in month.lines if line.currency == currency
        )

    @property
    def ties_out(self) -> bool:
        """Whether each month does, each begins with what the one before ended with, and the states say the same."""
        chained = all(line.difference == ZERO for line in map(self.summary, self.currencies))
        return chained and all(month.ties_out for month in self.months) and not self.tie_out.differences

    def summary(self, currency: str) -> RollForwardLine:
        """All months as one: the first opening, the sums, the last closing."""
        lines = [month.line(currency) for month in self.months]
        sums: dict[str, Any] = {
            name: sum((getattr(line, name) for line in lines), ZERO)
            for name in ("brought_forward", "late", "invoiced", "credited", "accrued", "adjusted", "unlinked")
        }
        return replace(lines[-1], opening=lines[0].opening, **sums)


def roll_forward(session: Session, month: date, settings: SyncSettings) -> RollForward:
    """The roll-forward of one month: the stored one if it is closed."""
    return roll_forwards(session, MonthWindow.of(month), settings).months[0]


def roll_forwards(session: Session, window: MonthWindow, settings: SyncSettings) -> RollForwardChain:
    """The roll-forward of each month of the window, and of all of them together."""
    movements = read_movements(session, last_of_month(next_month(window.end, -1)), settings)
    stored = {row.month: from_json(row.roll_forward) for row in session.scalars(select(ClosedMonth))}
    first = min((month for month, _ in movements), default=window.end)
    return replace(chain(movements, stored, window), tie_out=read_tie_out(session, window, first, settings))


def read_tie_out(session: Session, window: MonthWindow, first: date, settings: SyncSettings) -> TieOut:
    """Compare documents less postings with the states, as of the last month that was accrued.

    `first` is the first month in which anything happened.
    """
    runs = select(col(SyncExecution.window_start)).where(
        col(SyncExecution.step_name) == ACCRUALS.id, col(SyncExecution.status) == ExecutionStatus.COMPLETED
    )
    posted = select(col(AccruedPeriod.accrual_date)).where(col(AccruedPeriod.rule) != ADJUSTMENT)
    accrued = {month for query in (runs, posted) for month in session.scalars(query.distinct()) if month}
    today = utc_now().astimezone(settings.zone).date()
    due = (each.start for each in window.months() if each.start >= first and each.end <= today)
    last = max(accrued, default=None)
    return TieOut(
        last,
        tuple(_state_differences(session, last_of_month(last), settings)) if last else (),
        tuple(month for month in due if month not in accrued),
    )


def _state_differences(session: Session, until: date, settings: SyncSettings) -> Iterator[StateDifference]:
    contract, state = col(ServiceContract.id), col(ContractAccrual.contract_id)
    of_document, of_state = col(Invoice.service_contract_id), col(AccruedPeriod.contract_accrual_id)
    documents = (
        select(of_document, sum_of_cents(counted_amount(settings)).label("cents"))
        .where(col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= until)
        .group_by(of_document)
        .subquery()
    )
    postings = select(of_state, sum_of_cents(AccruedPeriod.accrued_amount).label("cents")).group_by(of_state).subquery()
    counted, posted = func.coalesce(documents.c.cents, 0), func.coalesce(postings.c.cents, 0)
    remaining = cents(ContractAccrual.remaining_amount_to_accrue)
    different = (
        select(contract, col(ServiceContract.contract_currency), counted, posted, state, remaining)
        .select_from(ServiceContract)
        .outerjoin(ContractAccrual, state == contract)
        .outerjoin(documents, documents.c.service_contract_id == contract)
        .outerjoin(postings, postings.c.contract_accrual_id == col(ContractAccrual.id))
        .where(counted - posted != case((state.is_(None), 0), else_=remaining))
        .order_by(contract)
    )
    for contract_id, currency, of_documents, of_postings, has_state, left in session.execute(different):
        amounts = from_cents(of_documents), from_cents(of_postings), from_cents(left) if has_state else None
        yield StateDifference(contract_id, currency, *amounts)


Stored = Mapping[date, RollForward | None]
"""By closed month: what was kept with it; None: it was closed by a version that kept nothing of the kind."""


def chain(movements: Movements, stored: Stored, window: MonthWindow) -> RollForwardChain:
    """The months of the window from the movements up to its end, and the roll-forwards of closed months."""
    months = (_month(movements, stored, each.start) for each in window.months())
    return RollForwardChain(window, tuple(months))


def _month(movements: Movements, stored: Stored, month: date) -> RollForward:
    if (kept := stored.get(month)) is not None:
        return kept
    before = max((each for each in stored if each < month), default=None)
    last = stored[before] if before else None
    if month not in stored and any(each > month for each in stored) and (before is None or last is not None):
        return _empty_closed(month, last)
    base = last if before == next_month(month, -1) else None
    known = {currency for each, currency in movements if each <= month}
    currencies = sorted(known | {line.currency for line in (base.lines if base else ())})
    lines = (_line(movements, month, base.line(currency) if base else None, currency) for currency in currencies)
    return RollForward(month, closed=month in stored, lines=tuple(lines))


def _empty_closed(month: date, before: RollForward | None) -> RollForward:
    """A month nobody had to close, because nothing was in it when a later one was closed."""
    lines = (
        RollForwardLine(of.currency, opening=of.closing, closing=of.closing, documents_to_date=of.documents_to_date)
        for of in (before.lines if before else ())
    )
    return RollForward(month, closed=True, lines=tuple(lines))


def _line(movements: Movements, month: date, closed: RollForwardLine | None, currency: str) -> RollForwardLine:
    """An open month's line; `closed` is that of the month before it, if it was closed."""
    now = movements.get((month, currency), _NOTHING)
    earlier = [each for (day, of), each in movements.items() if of == currency and day < month]
    documents = sum((each.documents for each in earlier), ZERO)
    posted = sum((each.posted for each in earlier), ZERO)
    return RollForwardLine(
        currency,
        opening=closed.closing if closed else documents - posted,
        brought_forward=now.brought_forward,
        late=documents - closed.documents_to_date if closed else ZERO,
        invoiced=now.invoiced,
        credited=now.credited,
        accrued=now.accrued,
        closing=documents + now.documents - posted - now.posted,
        unlinked=now.unlinked,
        documents_to_date=documents + now.documents,
        adjusted=now.adjusted,
    )


MOVED = ("opening", "brought_forward", "late", "invoiced", "credited", "accrued", "adjusted", "closing")
"""The amounts of a line that belong in a total, in order of the formula."""
_AMOUNTS = (*MOVED, "unlinked", "documents_to_date")


def lines_to_json(lines: Iterable[RollForwardLine]) -> list[dict[str, str]]:
    """Ready for JSON, amounts as texts."""
    return [{"currency": line.currency, **{name: str(getattr(line, name)) for name in _AMOUNTS}} for line in lines]


def lines_from_json(stored: Iterable[Mapping[str, Any]]) -> tuple[RollForwardLine, ...]:
    """What `lines_to_json` made."""
    amounts = ((line, {name: Decimal(line.get(name, ZERO)) for name in _AMOUNTS}) for line in stored)
    return tuple(RollForwardLine(line["currency"], **each) for line, each in amounts)


def to_json(report: RollForward) -> dict[str, Any]:
    """Ready for JSON, amounts as texts."""
    return {"month": report.month.isoformat(), "closed": report.closed, "currencies": lines_to_json(report.lines)}


def from_json(stored: Mapping[str, Any]) -> RollForward:
    """What `to_json` made."""
    month = first_of_month(date.fromisoformat(stored["month"]))
    return RollForward(month, stored["closed"], lines_from_json(stored["currencies"]))


_SIZE_INCHES, _DOTS_PER_INCH = (10, 5), 120
_ACCRUED_COLOUR, _DEFERRED_COLOUR = "#2a78b8", "#d9822b"
_MOST_LABELS = 24
"""Of months, along the bottom; of more every second or third one is named."""

PictureFormat = Literal["png", "svg"]


def draw_roll_forward(
    report: RollForwardChain, currency: str, picture_format: str = "png", notes: Sequence[str] = ()
) -> bytes:
    """One currency's months as a PNG or SVG image; the notes stand small below it.

    A figure of its own and no state of the plotting library's, so that threads and flows may draw at once.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # it takes a second to import, and few runs draw
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    lines = [month.line(currency) for month in report.months]
    places = range(len(lines))
    # Binary floats are good enough for the height of a bar: no amount is ever read back from a picture.
    axes.bar(places, [float(line.accrued) for line in lines], 0.6, color=_ACCRUED_COLOUR, label="accrued in the month")
    axes.plot(
        places,
        [float(line.closing) for line in lines],
        color=_DEFERRED_COLOUR,
        marker="o",
        linewidth=2,
        label="deferred at its end",
    )
    step = -(-len(lines) // _MOST_LABELS)
    axes.set_xticks(
        places[::step], [f"{month.month:%b %Y}" for month in report.months][::step], rotation=45, ha="right"
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.axhline(0, color="#333333", linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"Accrued and deferred revenue, {report.window}, in {currency}", fontsize=14, loc="left")
    axes.set_xlabel(" / ".join(notes), fontsize=6)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)  # within the axes it would hide a month
    file = BytesIO()
    figure.savefig(file, format=cast(PictureFormat, picture_format))
    return file.getvalue()
