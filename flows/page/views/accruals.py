"""View Accruals: chart and roll-forward of a year, downloads, closing and reopening of months."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from functools import partial
from typing import Any

from nicegui import ui

from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
from flows.page.components import (
    FIELD,
    Tag,
    Visit,
    ask,
    dialog_of,
    english,
    mark,
    notify_failure,
    notify_success,
    strong_button,
    year_field,
)
from flows.parameters import months_of_year
from steps.closing import Blocker, Candidate, Signature, close_month, find_blockers, reopen_month
from steps.ledger.money import ZERO
from steps.reports.roll_forward import RollForwardChain, RollForwardLine, roll_forwards
from tracking.database import read_session

_COLUMNS = ("opening", "late", "invoiced", "credited", "accrued", "adjusted", "closing")
_SELDOM = ("late", "adjusted")
"""Left out where no month has any."""
_ACCRUED, _DEFERRED, _AXIS = "#3f8fd2", "#e08a2c", "#77818c"
"""Colours that stand out on white and on near black alike."""


class AccrualsView:
    """One year at a time."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        self._title = Tag("h2", texts("accruals.title", year=visit.settings.default_year))
        with Tag("section", classes="panel"):
            self._year = year_field(visit, texts("year")).classes("self-start")
            self._report = Tag("div", classes="column no-wrap full-width q-gutter-y-md")
            with self._report:
                ui.label(texts("reading")).classes("soft")
            Tag("h3", texts("accruals.download"))
            self._downloads = Tag("div", classes="actions")
        with Tag("section", classes="panel"):
            Tag("h3", texts("closing.title"))
            self._months = Tag("ul", classes="rows months")
        self._year.on_value_change(self.refresh)
        ui.timer(0.0, self.refresh, once=True)

    async def refresh(self) -> None:
        """Read the year again."""
        year = self._year.value
        report = await asyncio.to_thread(self._read, year)
        self._title.set_text(self._visit.texts("accruals.title", year=year))
        self._report.clear()
        with self._report:
            self._show(report)
        self._downloads.clear()
        with self._downloads:
            for key, name in (("accruals.sheet", "accruals"), ("accruals.roll", "roll-forward")):
                for ending in ("csv", "xlsx"):
                    text = f"{self._visit.texts(key)} ({ending.upper()})"
                    link = ui.link(text, f"/download/{name}.{ending}?year={year}")
                    link.props("download").classes("q-mr-md")
        self._months.clear()
        with self._months:
            for each in report.months:
                with Tag("li"), Tag("div", classes="row-in"):
                    _closing_row(self._visit, each.month, closed=each.closed, refresh=self.refresh)

    def _read(self, year: int) -> RollForwardChain:
        with read_session() as session:
            return roll_forwards(session, months_of_year(year), self._visit.settings)

    def _show(self, report: RollForwardChain) -> None:
        texts = self._visit.texts
        moving = [currency for currency in report.currencies if report.moves(currency)]
        if not moving:
            ui.label(texts("accruals.none")).classes("soft")
            return
        for currency in moving:
            chart = ui.echart(_chart_options(self._visit, report, currency), renderer="svg")
            chart.classes("full-width").style("height: 300px").props('role="img"')
            chart.props["aria-label"] = texts("accruals.chart", currency=currency)
            _roll_forward_table(self._visit, report, currency)
        ui.label(texts("accruals.ties" if report.ties_out else "accruals.differs")).classes("soft")


def _roll_forward_table(visit: Visit, report: RollForwardChain, currency: str) -> None:
    """A row a month and one for the year; wider than a phone, so it scrolls by itself, with the keyboard too."""
    texts = visit.texts
    lines = [month.line(currency) for month in report.months]
    names = [name for name in _COLUMNS if name not in _SELDOM or any(getattr(line, name) for line in lines)]
    title = texts("accruals.table", currency=currency)
    with Tag("div", classes="scroll", tabindex="0", role="region", aria_label=title), Tag("table", classes="figures"):
        Tag("caption", title)
        with Tag("thead"), Tag("tr"):
            for key in ("month", *names):
                Tag("th", texts(f"accruals.{key}"), scope="col")
        with Tag("tbody"):
            for month in report.months:
                line = month.line(currency)
                wrong = " ✗" if line.difference != ZERO else ""
                _row(visit, f"{texts.month_name(month.month)}{wrong}", line, names)
        with Tag("tfoot"):
            _row(visit, texts("year"), report.summary(currency), names)


def _row(visit: Visit, name: str, line: RollForwardLine, names: Sequence[str]) -> None:
    with Tag("tr"):
        Tag("th", name, scope="row")
        for column in names:
            Tag("td", visit.texts.money(getattr(line, column)))


def _chart_options(visit: Visit, report: RollForwardChain, currency: str) -> dict[str, Any]:
    """ECharts: what was accrued in each month as bars, what was deferred at its end as a line."""
    texts = visit.texts
    lines = [month.line(currency) for month in report.months]
    numbers = f"value => value.toLocaleString('{texts.language}')"
    axis = {"axisLabel": {"color": _AXIS}, "axisLine": {"lineStyle": {"color": _AXIS}}}
    accrued, deferred = texts("accruals.chart.accrued"), texts("accruals.chart.deferred")
    # Binary floats are good enough for the height of a bar: the table has the amounts.
    bars, points = [float(line.accrued) for line in lines], [float(line.closing) for line in lines]
    return {
        "aria": {"enabled": False},
        "animation": False,
        "tooltip": {"trigger": "axis"},
        "legend": {"bottom": 0, "textStyle": {"color": _AXIS}, "data": [accrued, deferred]},
        "grid": {"left": 8, "right": 8, "top": 16, "bottom": 40, "containLabel": True},
        "xAxis": {"type": "category", "data": [texts.month_name(month.month) for month in report.months], **axis},
        "yAxis": {
            "type": "value",
            "splitLine": {"lineStyle": {"color": _AXIS, "opacity": 0.25}},
            **axis,
            "axisLabel": {"color": _AXIS, ":formatter": numbers},
        },
        "series": [
            {"type": "bar", "name": accrued, "data": bars, "color": _ACCRUED, "barMaxWidth": 36},
            {"type": "line", "name": deferred, "data": points, "color": _DEFERRED, "symbolSize": 8},
        ],
    }


Refresh = Callable[[], Awaitable[None]]


def _closing_row(visit: Visit, month: date, *, closed: bool, refresh: Refresh) -> None:
    """A month, and the one thing that can be done with it."""
    texts = visit.texts
    name, state = texts.month(month, long=True), "closed" if closed else "open"
    Tag("span", name, classes="what")
    mark(texts(f"closing.{state}"), state)
    label = texts("closing.reopen" if closed else "closing.close", month=name)
    act = partial(_ask_to_reopen if closed else _ask_to_close, visit, month, refresh)
    ui.button(label, on_click=act).props("flat dense no-caps")


async def _ask_to_close(visit: Visit, month: date, refresh: Refresh) -> None:
    texts = visit.texts
    name, candidate = texts.month(month, long=True), Candidate(month, visit.now.date(), visit.settings)
    if blockers := await asyncio.to_thread(_blockers, candidate):
        with dialog_of(texts("closing.blocked", month=name)) as dialog:
            ui.label(texts("closing.blockers"))
            with Tag("ul"):
                for blocker in blockers:
                    english("li", blocker.message)
            ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")
        return

    def close(by: Signature) -> str:
        close_month(candidate, by)
        tell_months(MONTH_CLOSED, [month])
        return texts("closing.done", month=name)

    _ask_signature(visit, texts("closing.close", month=name), ("closing.free", "closing.reason"), close, refresh)


def _blockers(candidate: Candidate) -> list[Blocker]:
    with read_session() as session:
        return find_blockers(session, candidate)


def _ask_to_reopen(visit: Visit, month: date, refresh: Refresh) -> None:
    texts = visit.texts

    def reopen(by: Signature) -> str:
        opened = reopen_month(month, by)
        tell_months(MONTH_REOPENED, opened)
        return texts("closing.opened", months=", ".join(map(texts.month, opened)))

    title = texts("closing.reopen", month=texts.month(month, long=True))
    _ask_signature(visit, title, ("closing.later", "reason"), reopen, refresh)


def _ask_signature(
    visit: Visit, title: str, keys: tuple[str, str], act: Callable[[Signature], str], refresh: Refresh
) -> None:
    """Ask who does it and why, which is kept, then do it; `keys`: of an explanation and of the field for the reason."""
    texts = visit.texts
    explanation, why = keys
    with dialog_of(title) as dialog:
        ui.label(texts(explanation)).classes("soft")
        who = ui.input(texts("closing.who")).props(f"{FIELD} autofocus autocomplete=name").classes("full-width")
        reason = ui.input(texts(why)).props(FIELD).classes("full-width")

        async def sign() -> None:
            if not (who.value or "").strip():
                notify_failure(texts("closing.no_name"))
                return
            by = Signature(who.value.strip(), reason.value or "")
            if done := await ask(texts, lambda: act(by)):
                notify_success(done)
                dialog.close()
                await refresh()

        with Tag("div", classes="actions"):
            strong_button(title, sign)
            ui.button(texts("cancel"), on_click=dialog.close).props("flat no-caps")
