"""View: the accruals of a year as chart and table, their downloads, and the closing of its months."""

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Any

from nicegui import ui

from flows.page.closing import ClosingList
from flows.page.markup import FIELD, Tag
from flows.page.roll_forward_table import roll_forward_table
from flows.page.visit import Visit
from steps.accruals.reports.roll_forward import RollForwardChain, roll_forwards
from steps.domain.months import MonthWindow
from tracking.database import read_session

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
