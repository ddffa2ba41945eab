"""View Accruals: chart and roll-forward of a year, downloads, closing and reopening of months."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nicegui import ui

from flows.page.components import FIELD, Tag, Visit, ask, dialog_of, english, mark, strong_button, tell
from steps.closing import Blocker, Candidate, Signature, close_month, find_blockers, reopen_month
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow
from steps.reports.roll_forward import RollForward, RollForwardChain, RollForwardLine, roll_forwards
from tracking.database import read_session

_COLUMNS = {
    "opening": "accruals.opening",
    "late": "accruals.late",
    "invoiced": "accruals.invoiced",
    "credited": "accruals.credited",
    "accrued": "accruals.earned",
    "adjusted": "accruals.adjusted",
    "closing": "accruals.closing",
}
_SELDOM = ("late", "adjusted")
"""Left out where no month has any."""


def roll_forward_table(visit: Visit, report: RollForwardChain, currency: str) -> None:
    """A row a month and one for the year; wider than a phone, so it scrolls by itself, with the keyboard too."""
    texts = visit.texts
    lines = [month.line(currency) for month in report.months]
    names = [name for name in _COLUMNS if name not in _SELDOM or any(getattr(line, name) for line in lines)]
    title = texts("accruals.table", currency=currency)
    with Tag("div", classes="scroll", tabindex="0", role="region", aria_label=title), Tag("table", classes="figures"):
        Tag("caption", title)
        with Tag("thead"), Tag("tr"):
            _headers([texts("accruals.month"), *(texts(_COLUMNS[name]) for name in names)])
        with Tag("tbody"):
            for month in report.months:
                with Tag("tr"):
                    _row(visit, _month_name(visit, month, currency), month.line(currency), names)
        with Tag("tfoot"), Tag("tr"):
            _row(visit, texts("accruals.sum"), report.summary(currency), names)


def _headers(names: Iterable[str]) -> None:
    for name in names:
        Tag("th", name, scope="col")


def _month_name(visit: Visit, month: RollForward, currency: str) -> str:
    wrong = " ✗" if month.line(currency).difference != ZERO else ""
    return f"{visit.texts.month_name(month.month)}{wrong}"


def _row(visit: Visit, name: str, line: RollForwardLine, names: Sequence[str]) -> None:
    Tag("th", name, scope="row")
    for column in names:
        Tag("td", visit.texts.money(getattr(line, column)))


Refresh = Callable[[], Awaitable[None]]


class ClosingList:
    """The months of a year, each with the one thing that can be done with it."""

    def __init__(self, visit: Visit, refresh: Refresh) -> None:
        self._visit, self._refresh = visit, refresh
        self._rows = Tag("ul", classes="rows months")

    def show(self, report: RollForwardChain | None) -> None:
        """The months as they stand now."""
        self._rows.clear()
        with self._rows:
            for each in report.months if report else ():
                with Tag("li"), Tag("div", classes="row-in"):
                    self._row(each.month, closed=each.closed)

    def _row(self, month: date, *, closed: bool) -> None:
        texts = self._visit.texts
        name, state = texts.month(month, long=True), "closed" if closed else "open"
        Tag("span", name, classes="what")
        mark(texts(f"closing.{state}"), state)

        async def act() -> None:
            await (self._ask_to_reopen(month) if closed else self._ask_to_close(month))

        label = texts("closing.reopen" if closed else "closing.close", month=name)
        ui.button(label, on_click=act).props("flat dense no-caps")

    async def _ask_to_close(self, month: date) -> None:
        texts, settings = self._visit.texts, self._visit.settings
        name, candidate = texts.month(month, long=True), Candidate(month, self._visit.now.date(), settings)
        blockers = await asyncio.to_thread(_blockers, candidate)
        if blockers:
            self._show_blockers(name, blockers)
            return
        words = _Words(texts("closing.close", month=name), texts("closing.free"), texts("closing.reason"))

        async def close(by: Signature) -> bool:
            done = await ask(texts, lambda: close_month(candidate, by)) is not None
            if done:
                tell(texts("closing.done", month=name), good=True)
            return done

        self._ask_signature(words, close)

    def _show_blockers(self, name: str, blockers: list[Blocker]) -> None:
        texts = self._visit.texts
        with dialog_of(texts("closing.blocked", month=name)) as dialog:
            ui.label(texts("closing.blockers"))
            with Tag("ul"):
                for blocker in blockers:
                    english("li", blocker.message)
            ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")

    async def _ask_to_reopen(self, month: date) -> None:
        texts = self._visit.texts
        name = texts.month(month, long=True)
        words = _Words(texts("closing.reopen", month=name), texts("closing.later"), texts("closing.why"))

        async def reopen(by: Signature) -> bool:
            opened = await ask(texts, lambda: reopen_month(month, by)) or []
            if opened:
                tell(texts("closing.opened", months=", ".join(map(texts.month, opened))), good=True)
            return bool(opened)

        self._ask_signature(words, reopen)

    def _ask_signature(self, words: "_Words", act: Callable[[Signature], Awaitable[bool]]) -> None:
        """Who says so and why; both stay in the books."""
        texts = self._visit.texts
        with dialog_of(words.title) as dialog:
            ui.label(words.explanation).classes("soft")
            who = ui.input(texts("closing.who")).props(f"{FIELD} autofocus autocomplete=name").classes("full-width")
            reason = ui.input(words.reason).props(FIELD).classes("full-width")

            async def sign() -> None:
                if not (who.value or "").strip():
                    tell(texts("closing.no_name"), good=False)
                    return
                if await act(Signature(who.value.strip(), reason.value or "")):
                    dialog.close()
                    await self._refresh()

            with Tag("div", classes="actions"):
                strong_button(words.title, sign)
                ui.button(texts("cancel"), on_click=dialog.close).props("flat no-caps")


@dataclass(frozen=True)
class _Words:
    title: str
    explanation: str
    reason: str


def _blockers(candidate: Candidate) -> list[Blocker]:
    with read_session() as session:
        return find_blockers(session, candidate)


_ACCRUED, _DEFERRED, _AXIS = "#3f8fd2", "#e08a2c", "#77818c"
"""Colours that stand out on white and on near black alike."""


def show_accruals(visit: Visit) -> None:
    """Build the view."""
    AccrualsView(visit)


@dataclass(frozen=True)
class _Year:
    number: int

    @property
    def window(self) -> MonthWindow:
        return MonthWindow(date(self.number, 1, 1), date(self.number + 1, 1, 1))


class AccrualsView:
    """One year at a time."""

    def __init__(self, visit: Visit) -> None:
        texts, year = visit.texts, visit.settings.default_year
        self._visit, self._year = visit, _Year(year)
        self._title = Tag("h2", texts("accruals.title", year=year))
        with Tag("section", classes="panel"):
            field = ui.select(visit.years(), label=texts("accruals.year"), value=year).props(FIELD)
            field.classes("self-start")
            self._report = Tag("div", classes="column no-wrap full-width q-gutter-y-md")
            with self._report:
                ui.label(texts("reading")).classes("soft")
            Tag("h3", texts("accruals.download"))
            self._downloads = Tag("div", classes="actions")
        with Tag("section", classes="panel"):
            Tag("h3", texts("closing.title"))
            self._closing = ClosingList(visit, self.refresh)

        async def choose() -> None:
            self._year = _Year(int(field.value))
            await self.refresh()

        field.on_value_change(choose)
        ui.timer(0.0, self.refresh, once=True)

    async def refresh(self) -> None:
        """Read the year again."""
        report = await asyncio.to_thread(self._read)
        self._title.set_text(self._visit.texts("accruals.title", year=self._year.number))
        self._report.clear()
        with self._report:
            self._show(report)
        self._downloads.clear()
        with self._downloads:
            self._links()
        self._closing.show(report)

    def _read(self) -> RollForwardChain:
        with read_session() as session:
            return roll_forwards(session, self._year.window, self._visit.settings)

    def _show(self, report: RollForwardChain) -> None:
        texts = self._visit.texts
        moving = [currency for currency in report.currencies if report.moves(currency)]
        if not moving:
            ui.label(texts("accruals.none")).classes("soft")
            return
        for currency in moving:
            chart = ui.echart(chart_options(self._visit, report, currency), renderer="svg")
            chart.classes("full-width").style("height: 300px").props('role="img"')
            chart.props["aria-label"] = texts("accruals.chart", currency=currency)
            roll_forward_table(self._visit, report, currency)
        ui.label(texts("accruals.ties" if report.ties_out else "accruals.differs")).classes("soft")

    def _links(self) -> None:
        texts, year = self._visit.texts, self._year.number
        for key, name in (("accruals.sheet", "accruals"), ("accruals.roll", "roll-forward")):
            for ending in ("csv", "xlsx"):
                link = ui.link(f"{texts(key)} ({ending.upper()})", f"/download/{name}.{ending}?year={year}")
                link.props("download").classes("q-mr-md")


def chart_options(visit: Visit, report: RollForwardChain, currency: str) -> dict[str, Any]:
    """ECharts: what was accrued in each month as bars, what was deferred at its end as a line."""
    texts = visit.texts
    lines = [month.line(currency) for month in report.months]
    numbers = f"value => value.toLocaleString('{texts.language}')"
    axis = {"axisLabel": {"color": _AXIS}, "axisLine": {"lineStyle": {"color": _AXIS}}}
    accrued, deferred = texts("accruals.accrued"), texts("accruals.deferred")
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
            # Binary floats are good enough for the height of a bar: the table has the amounts.
            _series("bar", accrued, [float(line.accrued) for line in lines], _ACCRUED),
            _series("line", deferred, [float(line.closing) for line in lines], _DEFERRED),
        ],
    }


def _series(kind: str, name: str, values: list[float], colour: str) -> dict[str, Any]:
    return {"type": kind, "name": name, "data": values, "color": colour, "barMaxWidth": 36, "symbolSize": 8}
