"""View Months: the checklist of a month to close, its closing and reopening, its proof, its reports."""

import asyncio
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from nicegui import ui

from flows.access import Role
from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
from flows.page.components import (
    FIELD,
    Act,
    Change,
    Tag,
    Visit,
    ask,
    dialog_button,
    facts,
    mark,
    on_desk,
    outside_totals,
    previewed_dialog,
    said,
    signed_dialog,
    year_links,
)
from flows.page.views.setup import show_setup
from flows.parameters import months_of_year, parse_month, resolve_override
from flows.runs import request_redo
from steps.catalog import ACCRUALS
from steps.closing import (
    Blocker,
    BlockerKind,
    Candidate,
    Signature,
    close_month,
    closing_trail,
    find_blockers,
    reopen_month,
)
from steps.engine.gate import LONGEST_REASON
from steps.errors import SyncError
from steps.ledger.accrual import ClosedMonth, ClosingEvent
from steps.ledger.months import MonthWindow, next_month
from steps.reports.groups import RollForwardBy
from steps.reports.reconciliation import Reconciliation, last_reconciliation
from steps.reports.roll_forward import RollForward, RollForwardChain, roll_forward, roll_forwards
from tracking.database import read_session

if TYPE_CHECKING:
    from steps.redo import Redone


async def show_months(visit: Visit) -> None:
    """The months of a year, or the one that the address names; or what they are accrued by."""
    if visit.path.startswith("setup"):
        await show_setup(visit)
        return
    if (text := visit.given.get("month")) is None:
        await _year(visit)
        return
    month = parse_month(text)
    found = await asyncio.to_thread(_read, visit, month)
    texts, closed = visit.texts, found.close is not None
    with Tag("div", classes="actions"):
        Tag("h2", texts.month(month, long=True))
        mark(texts("closing.closed" if closed else "closing.open"), "closed" if closed else "open")
        ui.space()
        for ahead in (-1, 1):
            other = next_month(month, ahead)
            visit.link(texts.month(other), f"months/{other:%Y-%m}", classes="chip")
    if closed:
        _closed(visit, month, found)
    else:
        _checklist(visit, month, found)
    _figures(visit, month, found.report)
    _reconciliation(visit, month, found.reconciliation)
    _downloads(visit, month)
    _trail(visit, found.trail)


@dataclass(frozen=True)
class _Month:
    report: RollForward
    blockers: list[Blocker]
    close: ClosedMonth | None
    trail: list[ClosingEvent]
    reconciliation: Reconciliation | None


def _read(visit: Visit, month: date) -> _Month:
    with read_session() as session:
        closes = {close.month: close for close in session.query(ClosedMonth).all()}
        close = closes.get(month)
        return _Month(
            roll_forward(session, month, visit.settings),
            [] if close else find_blockers(session, Candidate(month, visit.now.date(), visit.settings)),
            close,
            [event for event in closing_trail(session) if event.month == month],
            last_reconciliation(session, month),
        )


async def _year(visit: Visit) -> None:
    texts, year = visit.texts, visit.year

    def read() -> RollForwardChain:
        with read_session() as session:
            return roll_forwards(session, months_of_year(year), visit.settings)

    chain = await asyncio.to_thread(read)
    with Tag("div", classes="actions"):
        Tag("h2", texts("months.title", year=year))
        ui.space()
        visit.link(texts("setup"), "setup", classes="chip")
        year_links(visit, "months", year)
    with Tag("section", classes="panel"), Tag("ul", classes="rows"):
        for each in chain.months:
            with Tag("li"), Tag("div", classes="row-in months"):
                visit.link(texts.month(each.month, long=True), f"months/{each.month:%Y-%m}", classes="what")
                mark(texts("closing.closed" if each.closed else "closing.open"), "closed" if each.closed else "open")
                for line in each.lines:
                    if line.deferred_or_earned:
                        accrued = texts.amount(line.accrued + line.adjusted, line.currency)
                        closing = texts.amount(line.closing, line.currency)
                        Tag("span", texts("months.line", accrued=accrued, closing=closing), classes="soft")


_CHECKS: dict[str, tuple[BlockerKind, ...]] = {
    "over": (BlockerKind.NOT_OVER, BlockerKind.ALREADY_CLOSED),
    "earlier": (BlockerKind.EARLIER_OPEN,),
    "imports": (BlockerKind.EXECUTION,),
    "accruals": (BlockerKind.NOT_ACCRUED, BlockerKind.CONTRACT_FAILURE),
    "errors": (BlockerKind.PENDING_ERRORS,),
    "policy": (BlockerKind.POLICY,),
    "ties": (BlockerKind.CONTRACT_TOTALS, BlockerKind.ROLL_FORWARD),
    "proof": (BlockerKind.CHANGED,),
}
"""What is to be looked at before a close -> the blockers that fail it."""


_MOST_TOLD = 10
"""Blockers of a check."""


def _checklist(visit: Visit, month: date, found: _Month) -> None:
    texts = visit.texts
    with Tag("section", classes="panel"):
        Tag("h3", texts("months.checklist"))
        known = {kind for kinds in _CHECKS.values() for kind in kinds}
        others = tuple({blocker.kind for blocker in found.blockers} - known)
        with Tag("ul", classes="rows"):
            for check, kinds in (_CHECKS | ({"other": others} if others else {})).items():
                against = [blocker for blocker in found.blockers if blocker.kind in kinds]
                with Tag("li"), Tag("div", classes="row-in"):
                    sign, state = ("✗", "failed") if against else ("✓", "completed")
                    mark(f"{sign} {texts(f'check.{state}')}", state)
                    Tag("span", texts(f"check.{check}"), classes="what")
                    for blocker in against[:_MOST_TOLD]:
                        _blocker(visit, month, blocker)
                    if len(against) > _MOST_TOLD:
                        Tag("span", texts("home.more", count=len(against) - _MOST_TOLD), classes="detail small")
        outside_totals(visit, found.report)
        if found.blockers:
            ui.label(texts("months.blocked", count=len(found.blockers))).classes("soft")
        name = texts.month(month, long=True)
        with Tag("div", classes="actions"):
            if not found.blockers:
                close = partial(_ask_to_close, visit, month, found.report)
                dialog_button(visit, texts("closing.close", month=name), "close", close, Role.CLOSE)
            if any(line.accrued for line in found.report.lines):
                redo = partial(_ask_to_redo, visit, month)
                dialog_button(visit, texts("redo", month=name), "redo", redo, Role.CLOSE)


def _blocker(visit: Visit, month: date, blocker: Blocker) -> None:
    """What it is, and the way to where it is resolved."""
    with Tag("span", classes="detail small"):
        said(visit.texts, "span", blocker.message)
        Tag("span", " ")
        if place := _place(blocker, month):
            path, query = place
            visit.link(visit.texts("months.mend"), path, **query)


def _place(blocker: Blocker, month: date) -> tuple[str, dict[str, Any]] | None:
    """Where a blocker is resolved."""
    match blocker.kind:
        case BlockerKind.EARLIER_OPEN | BlockerKind.ALREADY_CLOSED | BlockerKind.CHANGED:
            return f"months/{blocker.month or month:%Y-%m}", {}
        case BlockerKind.EXECUTION:
            return f"runs/{blocker.execution_id}", {}
        case BlockerKind.NOT_ACCRUED | BlockerKind.POLICY:
            return "runs/new", {"step": ACCRUALS.id, "month": f"{month:%Y-%m}"}
        case BlockerKind.PENDING_ERRORS:
            return "todo", {"error": blocker.error_id}
        case BlockerKind.CONTRACT_FAILURE | BlockerKind.CONTRACT_TOTALS:
            return f"contracts/{blocker.contract_id}/{month:%Y-%m}", {}
        case BlockerKind.ROLL_FORWARD:
            return f"revenue/{month:%Y-%m}", {}
    return None


def _closed(visit: Visit, month: date, found: _Month) -> None:
    texts, close = visit.texts, found.close
    if close is None:
        return
    with Tag("section", classes="panel"):
        Tag("h3", texts("months.closed"))
        facts(
            [
                (texts("execution.override.by"), close.closed_by),
                (texts("closing.when"), texts.moment(close.closed_at)),
                (texts("closing.reason"), close.reason),
                (texts("closing.hash"), close.hash or close.postings_hash),
                (texts("closing.version"), close.version),
                (texts("closing.policy"), ", ".join(f"{n}={v}" for n, v in close.policy.items() if v)),
            ]
        )
        ui.label(texts("closing.hash.why")).classes("soft small")
        outside_totals(visit, found.report)
        name = texts("closing.reopen", month=texts.month(month, long=True))
        button = dialog_button(visit, name, "reopen", partial(_ask_to_reopen, visit, month), Role.CLOSE)
        button.classes("self-start no-print")


def _figures(visit: Visit, month: date, report: RollForward) -> None:
    texts, columns = visit.texts, ("opening", "late", "invoiced", "credited", "accrued", "adjusted", "closing")
    lines = [line for line in report.lines if line.deferred_or_earned]
    with Tag("section", classes="panel"):
        Tag("h3", texts("accruals.roll"))
        if not lines:
            ui.label(texts("months.nothing")).classes("soft")
            return
        label = texts("accruals.roll")
        with (
            Tag("div", classes="scroll", tabindex="0", role="region", aria_label=label),
            Tag("table", classes="figures"),
        ):
            with Tag("thead"), Tag("tr"):
                Tag("th", texts("currency"), scope="col")
                for name in columns:
                    Tag("th", texts(f"accruals.{name}"), scope="col", classes=on_desk(name))
            with Tag("tbody"):
                for line in lines:
                    with Tag("tr"):
                        Tag("th", line.currency, scope="row")
                        for name in columns:
                            with Tag("td", classes=on_desk(name)):
                                query = {"currency": line.currency}
                                visit.money_link(getattr(line, name), f"revenue/{month:%Y-%m}", **query)


def _reconciliation(visit: Visit, month: date, found: Reconciliation | None) -> None:
    """The ledger's documents of the month against the invoicing system's, and a button that compares them now."""
    texts = visit.texts
    with Tag("section", classes="panel"):
        with Tag("div", classes="actions"):
            Tag("h3", texts("reconciled"))
            ui.space()
            button = ui.button(texts("reconciled.now"), on_click=partial(_reconcile, visit, month))
            visit.allow(Role.OPERATE, button.props("outline no-caps"))
        if found is None:
            ui.label(texts("reconciled.never")).classes("soft")
            return
        for total in found.totals:
            here, there = (texts.amount(each, total.currency) for each in (total.here, total.there))
            difference = texts.amount(total.there - total.here, total.currency)
            Tag("p", texts("reconciled.total", here=here, there=there, difference=difference))
        moment, differences = texts.moment(found.made_at), [each for each in found.differences if not each.is_expected]
        agrees = texts("reconciled.agrees" if found.agrees else "reconciled.differs", count=len(differences))
        Tag("p", f"{agrees} ({moment})", classes="is-completed pad" if found.agrees else "is-stale pad")
        with Tag("ul", classes="rows"):
            for each in differences[:_MOST_TOLD]:
                with Tag("li"), Tag("div", classes="row-in"):
                    Tag("span", texts(f"reconciled.{each.kind.name.lower()}"), classes="what")
                    Tag("span", f"{texts.entity(each.document)} {each.number or each.external_id}")
                    Tag("strong", texts.amount(each.amount, each.currency or ""), classes="money")
                    with Tag("span", f"{each.here or '-'} / {each.there or '-'} ", classes="detail small"):
                        said(texts, "span", each.why)
        if len(differences) > _MOST_TOLD:
            ui.label(texts("home.more", count=len(differences) - _MOST_TOLD)).classes("soft")


async def _reconcile(visit: Visit, month: date) -> None:
    def compare() -> bool:
        from steps.context import StepContext  # with Prefect, which takes seconds
        from steps.invoices import reconcile

        about = f"{month:%Y-%m}"
        with (
            visit.caller.performing(Role.OPERATE, "reconcile", about),
            StepContext(settings=visit.settings) as context,
        ):
            reconcile(context, MonthWindow.of(month))
        return True

    if await ask(visit.texts, compare):
        ui.navigate.reload()


def _downloads(visit: Visit, month: date) -> None:
    texts = visit.texts
    with Tag("section", classes="panel no-print"):
        Tag("h3", texts("accruals.download"))
        asked = {"month": f"{month:%Y-%m}"}
        href = visit.file("month-end.xlsx", **asked)
        Tag("a", texts("months.pack"), href=href, download="", classes="button self-start")
        with Tag("div", classes="actions"):
            for key, name in (
                ("accruals.sheet", "accruals"),
                ("accruals.roll", "roll-forward"),
                ("months.journal", "journal"),
                ("months.waterfall", "waterfall"),
            ):
                for ending in ("xlsx", "csv"):
                    href = visit.file(f"{name}.{ending}", **asked)
                    Tag("a", f"{texts(key)} ({ending.upper()})", href=href, download="")
            for by in RollForwardBy:
                href = visit.file("roll-forward.xlsx", **asked, by=by)
                Tag("a", f"{texts('accruals.roll')}, {texts(f'by.{by}')} (XLSX)", href=href, download="")


def _trail(visit: Visit, trail: list[ClosingEvent]) -> None:
    texts = visit.texts
    if not trail:
        return
    with Tag("section", classes="panel"):
        Tag("h3", texts("closing.trail"))
        with Tag("ul", classes="rows"):
            for event in reversed(trail):
                with Tag("li"), Tag("div", classes="row-in"):
                    Tag("span", texts(f"closing.event.{event.action}"), classes="what")
                    Tag("span", f"{event.who}, {texts.moment(event.at)}")
                    Tag("span", event.reason, classes="soft")
                    Tag("span", event.hash, classes="detail small")


def _act(name: str, month: date) -> Act:
    return Act(Role.CLOSE, name, lambda: f"{month:%Y-%m}")


def _ask_to_close(visit: Visit, month: date, report: RollForward) -> None:
    texts = visit.texts
    candidate = Candidate(month, visit.now.date(), visit.settings)

    def close(by: Signature) -> None:
        close_month(candidate, by)
        tell_months(MONTH_CLOSED, [month])

    title, act = texts("closing.close", month=texts.month(month, long=True)), _act("close", month)
    with signed_dialog(visit, title, act, close, reason_key="closing.reason"):
        ui.label(texts("closing.free")).classes("soft")
        for line in report.lines:
            if line.deferred_or_earned:
                amounts = {name: texts.amount(getattr(line, name), line.currency) for name in ("accrued", "closing")}
                Tag("p", texts("months.line", **amounts))
        outside_totals(visit, report)


def _ask_to_redo(visit: Visit, month: date) -> None:
    """First what it would change, contract by contract; then the button that does it."""
    texts, title = visit.texts, visit.texts("redo", month=visit.texts.month(month, long=True))

    def override() -> str | None:
        return str(overriding.value or "").strip() or None

    def look(by: Signature) -> "Redone":
        return _preview_redo(visit, month, by, override())

    def start(by: Signature) -> str:
        return visit.address(f"runs/{visit.runs.start(request_redo(month, by, override()))}")

    change: Change[Redone] = Change(title, _act("redo", month), look, partial(_redone, visit), start)
    with previewed_dialog(visit, title, change) as fields:
        ui.label(texts("redo.why")).classes("soft")
        overriding = ui.input(texts("run.override")).props(f"{FIELD} maxlength={LONGEST_REASON}").classes("full-width")
        ui.label(texts("run.override.why")).classes("soft small")
        fields.append(overriding)


def _preview_redo(visit: Visit, month: date, by: Signature, override: str | None) -> "Redone":
    from steps.context import StepContext  # with Prefect, which takes seconds
    from steps.redo import AskedRedo, preview_redo
    from tracking.recorder import WindowBusyError

    overriding = resolve_override(ACCRUALS.id, override, by.who)
    try:
        with StepContext(settings=visit.settings) as context:
            one = context.of_execution(None, override=overriding)
            return preview_redo(one, AskedRedo.of(month, by, visit.now.date()))
    except WindowBusyError as error:
        raise SyncError(str(error)) from None


def _redone(visit: Visit, found: "Redone") -> None:
    """What comes out differently, and the totals of each currency."""
    texts = visit.texts
    for total in found.totals:
        amounts = {name: texts.amount(getattr(total, name), total.currency) for name in ("old", "new", "difference")}
        Tag("p", texts("redo.total", **amounts))
    if not found.contracts:
        ui.label(texts("redo.same")).classes("soft")
    with Tag("ul", classes="rows"):
        for each in found.contracts:
            with Tag("li"), Tag("div", classes="row-in"):
                visit.link(each.contract.client, f"contracts/{each.contract.id}/{found.month:%Y-%m}", classes="what")
                Tag("span", f"{texts.money(each.old)} → {texts.amount(each.new, each.currency)}", classes="money")
                said(texts, "span", each.why, "detail small")


def _ask_to_reopen(visit: Visit, month: date) -> None:
    texts = visit.texts

    def reopen(by: Signature) -> None:
        tell_months(MONTH_REOPENED, reopen_month(month, by))

    title = texts("closing.reopen", month=texts.month(month, long=True))
    with signed_dialog(visit, title, _act("reopen", month), reopen):
        ui.label(texts("closing.later")).classes("soft")
