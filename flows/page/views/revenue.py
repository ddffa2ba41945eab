"""View Revenue: a year's chart and roll-forward, a month by service and contract, and what is outside the totals."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from nicegui import ui

from flows.page.components import Tag, Visit, on_desk, outside_totals, said, year_links
from flows.page.listing import Column, listing
from flows.parameters import months_of_year, parse_month
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, next_month
from steps.reports.contracts import ContractMovement, contract_movements
from steps.reports.groups import service_chains
from steps.reports.outside import OutsideDocument, Stake, outside_documents, total_stakes
from steps.reports.roll_forward import RollForwardChain, RollForwardLine, roll_forwards
from tracking.database import read_session

_COLUMNS = ("opening", "late", "invoiced", "credited", "accrued", "adjusted", "closing")
_SELDOM = ("late", "adjusted")
"""Left out where no month has any."""
_SERVICES = "#3f8fd2", "#2f9e77", "#9a6fd0", "#c7577f", "#7d8f2f", "#4aa3b5"
_DEFERRED, _AXIS = "#e08a2c", "#77818c"
"""Colours that stand out on white and on near black alike. There are as many services in the chart as colours for them;
the last stands for all others."""


async def show_revenue(visit: Visit) -> None:
    """The year or the month that the address names, of which it may name what is outside the totals."""
    asked = visit.given.get("span", "")
    month = parse_month(asked) if "-" in asked else None
    visit = visit if month or not asked else replace(visit, given={**visit.given, "year": asked})
    window = MonthWindow.of(month) if month else months_of_year(visit.year)
    if visit.path.split("?")[0].endswith("/outside"):
        await _outside(visit, window, asked)
    elif month:
        await _month(visit, month)
    else:
        await _year(visit, window)


_Services = Sequence[tuple[str, RollForwardChain]]


def _read(visit: Visit, window: MonthWindow) -> tuple[RollForwardChain, _Services]:
    with read_session() as session:
        services = [(each.name, months) for each, months in service_chains(session, window, visit.settings)]
        return roll_forwards(session, window, visit.settings), services


async def _year(visit: Visit, window: MonthWindow) -> None:
    texts, year = visit.texts, window.start.year
    report, services = await asyncio.to_thread(_read, visit, window)
    with Tag("div", classes="actions"):
        Tag("h2", texts("accruals.title", year=year))
        ui.space()
        year_links(visit, "revenue", year, below=True)
    moving = [currency for currency in report.currencies if report.moves(currency)]
    if not moving:
        with Tag("section", classes="panel"):
            ui.label(texts("accruals.none")).classes("soft")
    for currency in moving:
        with Tag("section", classes="panel"):
            chart = ui.echart(_chart_options(visit, report, services, currency), renderer="svg")
            chart.classes("full-width").style("height: 260px").props('role="img"')
            chart.props["aria-label"] = texts("accruals.chart", currency=currency)
            if never := report.tie_out.never_accrued:
                names = ", ".join(texts.month_name(month) for month in never)
                Tag("p", texts("revenue.never", months=names), classes="is-stale pad")
            _roll_forward(visit, report, currency)
    for currency in report.currencies:
        if (outside := report.summary(currency).unlinked) and currency not in moving:
            with Tag(
                "p", texts("months.outside", amount=texts.amount(outside, currency)) + " ", classes="is-stale pad"
            ):
                visit.link(texts("months.look"), f"revenue/{year}/outside")
    with Tag("section", classes="panel no-print"):
        ui.label(texts("accruals.ties" if report.ties_out else "accruals.differs")).classes(
            "soft" if report.ties_out else "is-failed pad"
        )
        with Tag("div", classes="actions"):
            for key, name in (("accruals.sheet", "accruals"), ("accruals.roll", "roll-forward")):
                for ending in ("xlsx", "csv"):
                    href = visit.file(f"{name}.{ending}", year=str(year))
                    Tag("a", f"{texts(key)} ({ending.upper()})", href=href, download="")


def _roll_forward(visit: Visit, report: RollForwardChain, currency: str) -> None:
    """A row a month and one for the year, every figure a link; wider than a phone, so it scrolls by itself."""
    texts = visit.texts
    lines = [month.line(currency) for month in report.months]
    names = [name for name in _COLUMNS if name not in _SELDOM or any(getattr(line, name) for line in lines)]
    title = texts("accruals.table", currency=currency)
    with Tag("div", classes="scroll", tabindex="0", role="region", aria_label=title), Tag("table", classes="figures"):
        Tag("caption", title)
        with Tag("thead"), Tag("tr"):
            Tag("th", texts("accruals.month"), scope="col")
            for name in names:
                Tag("th", texts(f"accruals.{name}"), scope="col", classes=on_desk(name))
            Tag("th", texts("outside"), scope="col", classes="apart")
        with Tag("tbody"):
            for month in report.months:
                line = month.line(currency)
                wrong = " ✗" if line.difference != ZERO else ""
                path, sign = f"revenue/{month.month:%Y-%m}", " ✓" if month.closed else ""
                _row(visit, f"{texts.month_name(month.month)}{sign}{wrong}", line, names, path)
        with Tag("tfoot"):
            _row(visit, texts("year"), report.summary(currency), names, "")
    if any(month.closed for month in report.months):
        ui.label(texts("revenue.closed")).classes("soft small")


def _row(visit: Visit, name: str, line: RollForwardLine, names: Sequence[str], path: str) -> None:
    query = {"currency": line.currency}
    with Tag("tr"):
        with Tag("th", "" if path else name, scope="row"):
            if path:
                visit.link(name, path, **query)
        for column in names:
            with Tag("td", "" if path else visit.texts.money(getattr(line, column)), classes=on_desk(column)):
                if path:
                    visit.money_link(getattr(line, column), path, **query)
        with Tag("td", "" if path else visit.texts.money(line.unlinked), classes="apart"):
            if path:
                visit.money_link(line.unlinked, f"{path}/outside", **query)


def _chart_options(visit: Visit, report: RollForwardChain, services: _Services, currency: str) -> dict[str, Any]:
    """ECharts: what each service accrued in each month as stacked bars, what was deferred at its end as a line."""
    texts, never = visit.texts, report.tie_out.never_accrued
    axis = {"axisLabel": {"color": _AXIS}, "axisLine": {"lineStyle": {"color": _AXIS}}}
    deferred = texts("accruals.chart.deferred")
    # Binary floats are good enough for the height of a bar: the table has the amounts.
    points = [None if each.month in never else float(each.line(currency).closing) for each in report.months]
    bars = _bars(texts("revenue.others"), services, currency)
    return {
        "aria": {"enabled": False},
        "animation": False,
        "tooltip": {"trigger": "axis"},
        "legend": {"bottom": 0, "type": "scroll", "textStyle": {"color": _AXIS}, "data": [*bars, deferred]},
        "grid": {"left": 8, "right": 8, "top": 16, "bottom": 40, "containLabel": True},
        "xAxis": {"type": "category", "data": [texts.month_name(month.month) for month in report.months], **axis},
        "yAxis": {
            "type": "value",
            "splitLine": {"lineStyle": {"color": _AXIS, "opacity": 0.25}},
            **axis,
            "axisLabel": {"color": _AXIS, ":formatter": f"value => value.toLocaleString('{texts.language}')"},
        },
        "series": [
            *(
                {"type": "bar", "stack": "accrued", "name": name, "data": data, "color": colour, "barMaxWidth": 36}
                for (name, data), colour in zip(bars.items(), _SERVICES, strict=False)
            ),
            {"type": "line", "name": deferred, "data": points, "color": _DEFERRED, "symbolSize": 8},
        ],
    }


def _bars(others: str, services: _Services, currency: str) -> dict[str, list[float]]:
    """Service -> what it accrued in each month, adjustments included; the largest, and all others together."""
    accrued: dict[str, list[Decimal]] = {}
    for name, chain in services:  # two may have one name
        lines = [month.line(currency) for month in chain.months]
        before = accrued.get(name, [ZERO] * len(lines))
        accrued[name] = [had + line.accrued + line.adjusted for had, line in zip(before, lines, strict=True)]
    moving = sorted((name for name in accrued if any(accrued[name])), key=lambda name: -sum(accrued[name]))
    shown = moving if len(moving) <= len(_SERVICES) else moving[: len(_SERVICES) - 1]
    rest = [accrued[name] for name in moving[len(shown) :]]
    bars = {name: [float(amount) for amount in accrued[name]] for name in shown}
    return bars | ({others: [float(sum(amounts)) for amounts in zip(*rest, strict=True)]} if rest else {})


_MOVED = ("opening", "invoiced", "credited", "accrued", "adjusted", "closing")


async def _month(visit: Visit, month: date) -> None:
    """By service, and each service's contracts; the address may name a currency and a service."""
    texts, window, wanted = visit.texts, MonthWindow.of(month), visit.given.get("service", "")

    def read() -> tuple[RollForwardChain, tuple[ContractMovement, ...]]:
        with read_session() as session:
            movements = contract_movements(session, window, visit.settings)
            return roll_forwards(session, window, visit.settings), movements

    report, movements = await asyncio.to_thread(read)
    if of := visit.given.get("currency"):
        movements = tuple(each for each in movements if each.currency == of)
    with Tag("div", classes="actions"):
        Tag("h2", texts("revenue.month", month=texts.month(month, long=True)))
        ui.space()
        with Tag("nav", aria_label=texts("accruals.month"), classes="chips no-print"):
            for ahead in (-1, 1):
                other = next_month(month, ahead)
                visit.link(texts.month(other), f"revenue/{other:%Y-%m}", classes="chip", currency=of)
            visit.link(str(month.year), f"revenue/{month.year}", classes="chip")
            visit.link(texts("view.months"), f"months/{month:%Y-%m}", classes="chip")
    for currency, in_currency in groupby(movements, key=lambda each: each.currency):
        services = {name: list(same) for name, same in groupby(in_currency, key=lambda each: each.name.service)}
        _by_service(visit, month, currency, services, report.months[0].line(currency))
    outside_totals(visit, report.months[0])
    chosen = [each for each in movements if not wanted or each.name.service == wanted]
    with Tag("section", classes="panel"):
        Tag("h3", wanted or texts("revenue.contracts"))
        if wanted:
            visit.link(texts("revenue.all"), f"revenue/{month:%Y-%m}", currency=of).classes("self-start")
        columns = (
            Column("client", texts("contracts.client")),
            *(() if wanted else (Column("service", texts("contracts.service"), desk=True),)),
            *(Column(name, texts(f"accruals.{name}"), money=True, desk=bool(on_desk(name))) for name in _MOVED),
            Column("currency", texts("currency")),
        )
        listing(texts, columns, [_contract_row(visit, month, each) for each in chosen], texts("months.nothing"))


def _by_service(
    visit: Visit,
    month: date,
    currency: str,
    services: dict[str, list[ContractMovement]],
    line: RollForwardLine,
) -> None:
    texts, title = visit.texts, visit.texts("revenue.services", currency=currency)
    with (
        Tag("section", classes="panel"),
        Tag("div", classes="scroll", tabindex="0", role="region", aria_label=title),
        Tag("table", classes="figures"),
    ):
        Tag("caption", title)
        with Tag("thead"), Tag("tr"):
            Tag("th", texts("contracts.service"), scope="col")
            for name in _MOVED:
                Tag("th", texts(f"accruals.{name}"), scope="col", classes=on_desk(name))
        with Tag("tbody"):
            for service, rows in services.items():
                path, query = f"revenue/{month:%Y-%m}", {"currency": currency, "service": service}
                with Tag("tr"):
                    with Tag("th", scope="row"):
                        visit.link(service, path, **query)
                    for name in _MOVED:
                        with Tag("td", classes=on_desk(name)):
                            visit.money_link(sum((getattr(each, name) for each in rows), ZERO), path, **query)
        with Tag("tfoot"):
            with Tag("tr"):
                Tag("th", texts("total"), scope="row")
                every = [each for rows in services.values() for each in rows]
                for name in _MOVED:
                    Tag("td", texts.money(sum((getattr(each, name) for each in every), ZERO)), classes=on_desk(name))
            if line.late:  # what is shown by contract is as the ledger is now; the roll-forward keeps it apart
                with Tag("tr"):
                    Tag("th", texts("revenue.late"), scope="row").props(f"colspan={len(_MOVED)}")
                    Tag("td", texts.money(line.late))


def _contract_row(visit: Visit, month: date, each: ContractMovement) -> dict[str, Any]:
    return {
        "id": f"{each.name.id} {each.currency}",
        "client": each.name.client,
        "href": visit.href(f"contracts/{each.name.id}/{month:%Y-%m}"),
        "service": each.name.service,
        "currency": each.currency,
        **{name: getattr(each, name) for name in _MOVED},
    }


async def _outside(visit: Visit, window: MonthWindow, asked: str) -> None:
    """Documents without a contract, and why each is outside."""
    texts = visit.texts

    def read() -> list[OutsideDocument]:
        with read_session() as session:
            return outside_documents(session, visit.settings, window)

    found = await asyncio.to_thread(read)
    with Tag("div", classes="actions"):
        span = texts.month(window.start, long=True) if "-" in asked else str(window.start.year)
        Tag("h2", texts("outside.title", span=span))
        ui.space()
        visit.link(texts("outside.back"), f"revenue/{asked}", classes="chip no-print")
    with Tag("section", classes="panel"):
        ui.label(texts("outside.why")).classes("soft")
        totals = total_stakes(Stake(amounts={each.currency: each.amount}) for each in found)
        Tag("p", texts.amounts(totals), classes="big")
        with Tag("ul", classes="rows"):
            for each in found:
                with Tag("li"), Tag("div", classes="row-in"):
                    Tag("span", f"{texts.entity(each.kind)} {each.number or each.external_id}", classes="what")
                    Tag("span", each.client)
                    Tag("span", each.day.isoformat(), classes="soft")
                    Tag("strong", texts.amount(each.amount, each.currency), classes="money")
                    if each.reason:
                        said(texts, "span", each.reason, "detail small")
                    else:
                        Tag("span", texts("outside.no_service"), classes="detail small")
        if not found:
            ui.label(texts("outside.none")).classes("soft")
