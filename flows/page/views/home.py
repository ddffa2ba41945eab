"""View Home: what is wrong, the money it is about, what mends it; the next close; the month's figures; every step."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from itertools import groupby

import yaml
from nicegui import ui

from flows.page.components import SIGNS, Tag, Visit, facts, mark, show_changes, standing_text, year_links
from flows.parameters import months_of_year
from flows.plan import Assessment, StepRunState, assess, step_runs_of
from steps.catalog import ACCRUALS, INVOICES, STEPS
from steps.closing import Blocker, Candidate, find_blockers
from steps.ledger.accrual import last_closed_month
from steps.ledger.months import first_of_month, next_month
from steps.reports.outside import OutsideDocument, Stake, outside_documents, read_stakes, total_stakes
from steps.reports.roll_forward import RollForward, RollForwardChain, roll_forwards
from steps.reports.worklist import WorkItem, worklist
from tracking.database import read_session
from tracking.history import HistoryFilter, find_executions
from tracking.integration_errors import ErrorFilter, find_errors
from tracking.models import ErrorStatus, ExecutionStatus, IntegrationError

_LOOK_SECONDS = 5.0
_TOLD_MONTHS = 4


@dataclass(frozen=True)
class _Standing:
    """Everything that the view shows, as it was read."""

    steps: list[Assessment]
    errors: list[IntegrationError]
    stakes: Mapping[int, Stake]
    outside: list[OutsideDocument]
    chain: RollForwardChain
    imported: datetime | None
    to_close: date
    blockers: list[Blocker]


async def show_home(visit: Visit) -> None:
    """The year that the address names, else the one that is being worked on."""
    texts, year = visit.texts, visit.year
    found = await asyncio.to_thread(_read, visit, year)
    with Tag("div", classes="actions"):
        Tag("h2", texts("home.title", year=year))
        ui.space()
        year_links(visit, "home", year)
    _troubles(visit, year, found)
    with Tag("div", classes="two"):
        _next_close(visit, found)
        _figures(visit, found)
    _steps(visit, year, found.steps)
    ui.timer(_LOOK_SECONDS, lambda: _reload_if_changed(visit, year, found.steps))


def _read(visit: Visit, year: int) -> _Standing:
    settings, window = visit.settings, months_of_year(year)
    steps = _assess(visit, year)
    errors = find_errors(ErrorFilter(status=ErrorStatus.PENDING, limit=None))
    last = find_executions(HistoryFilter(step_name=INVOICES.id, status=ExecutionStatus.COMPLETED, limit=1))
    with read_session() as session:
        chain = roll_forwards(session, window, settings)
        to_close = _to_close(last_closed_month(session), chain)
        return _Standing(
            steps,
            errors,
            read_stakes(session, errors, settings),
            outside_documents(session, settings, window),
            chain,
            last[0].completed_at if last else None,
            to_close,
            find_blockers(session, Candidate(to_close, visit.now.date(), settings)),
        )


def _assess(visit: Visit, year: int) -> list[Assessment]:
    step_runs = step_runs_of(tuple(STEPS.values()), months_of_year(year), visit.settings)
    return assess(step_runs, visit.settings.zone)


async def _reload_if_changed(visit: Visit, year: int, shown: list[Assessment]) -> None:
    """Nothing can be typed or selected here, so that to load it again loses nothing."""
    if await asyncio.to_thread(_assess, visit, year) != shown:
        show_changes()


def _to_close(closed: date | None, chain: RollForwardChain) -> date:
    """The month after the last closed one; before any was, the year's first in which something moved."""
    if closed is not None:
        return next_month(closed)
    moved = (month.month for month in chain.months if any(line.deferred_or_earned for line in month.lines))
    return next(moved, chain.window.start)


def _troubles(visit: Visit, year: int, found: _Standing) -> None:
    texts = visit.texts
    with Tag("section", classes="panel"):
        Tag("h3", texts("home.wrong"))
        shown = list(_each_trouble(visit, year, found))
        if not shown:
            Tag("p", texts("home.nothing"), classes="is-completed pad")
        with Tag("ul", classes="rows"):
            for each in shown:
                with Tag("li"), Tag("div", classes="row-in trouble"):
                    state = each.state or StepRunState.stale
                    said = f"{SIGNS[state]} {texts(f'state.{state}')}" if each.state else f"! {texts('home.look')}"
                    mark(said, str(state))
                    Tag("span", each.text, classes="what")
                    Tag("strong", texts.amounts(each.amounts), classes="money")
                    visit.link(each.button, each.path, classes="button", **each.query)
                    if each.detail:
                        Tag("span", each.detail, classes="detail small")
            _waiting(visit)


def _waiting(visit: Visit) -> None:
    """The contracts that wait for a person: of many it takes seconds to find them, so the line is filled in later."""
    texts = visit.texts
    with Tag("li"), Tag("div", classes="row-in trouble"):
        state = mark("…", "missing")
        text = Tag("span", texts("home.work.reading"), classes="what")
        money = Tag("strong", classes="money")
        age = Tag("span", classes="soft small")
        look = visit.link(texts("home.work.mend"), "todo", classes="button", show="contracts")

    def read() -> tuple[WorkItem, ...]:
        with read_session() as session:
            return worklist(session, visit.settings, visit.now.date()).items

    async def fill() -> None:
        items = await asyncio.to_thread(read)
        state.set_text(f"! {texts('home.look')}" if items else SIGNS[StepRunState.completed])
        state.classes(add="is-stale" if items else "is-completed", remove="is-missing")
        text.set_text(texts("home.work", count=len(items)))
        look.set_visibility(bool(items))
        money.set_text(texts.amounts(total_stakes(Stake(amounts={each.currency: each.amount}) for each in items)))
        if items:
            age.set_text(texts("home.work.oldest", days=max(each.age_days for each in items)))

    ui.timer(0.0, fill, once=True)


@dataclass(frozen=True)
class _Trouble:
    state: StepRunState | None
    """None: to be looked at."""
    text: str
    button: str
    path: str
    query: Mapping[str, object]
    amounts: Mapping[str, Decimal]
    detail: str = ""


def _each_trouble(visit: Visit, year: int, found: _Standing) -> Iterator[_Trouble]:
    texts = visit.texts
    over = list(_over(visit, found.steps))
    for state in (StepRunState.failed, StepRunState.stale, StepRunState.missing):
        for step in ("", ACCRUALS.id):  # a run of the import, and one of the accruals
            concerned = [
                each for each in over if each.state is state and (each.step_run.step is ACCRUALS) == bool(step)
            ]
            if concerned:
                text, which = texts(f"home.{state}", count=len(concerned)), _which(visit, concerned)
                query = {"step": step, "only": state, "year": year}
                yield _Trouble(state, text, texts(f"home.{state}.mend"), "runs/new", query, {}, which)
    if found.errors:
        oldest = min(error.first_seen_at for error in found.errors)
        age = texts("home.since", days=(visit.now - oldest).days, day=texts.moment(oldest)[:10])
        amounts = total_stakes(found.stakes.values())
        text = texts("home.errors", count=len(found.errors))
        yield _Trouble(None, text, texts("home.errors.mend"), "todo", {}, amounts, age)
    if found.outside:
        amounts = total_stakes(Stake(amounts={each.currency: each.amount}) for each in found.outside)
        text = texts("home.outside", count=len(found.outside))
        path, why = f"revenue/{year}/outside", texts("home.outside.why")
        yield _Trouble(None, text, texts("home.outside.mend"), path, {}, amounts, why)
    if not found.chain.ties_out:
        text, button = texts("accruals.differs"), texts("home.differs.mend")
        yield _Trouble(StepRunState.failed, text, button, f"revenue/{year}", {}, {})


def _over(visit: Visit, steps: Sequence[Assessment]) -> Iterator[Assessment]:
    """Months that are not over are missing by nobody's fault."""
    this_month = first_of_month(visit.now.date())
    return (each for each in steps if each.step_run.window is None or each.step_run.window.start < this_month)


def _which(visit: Visit, concerned: Sequence[Assessment]) -> str:
    texts, lines = visit.texts, []
    for step_id, same in groupby(concerned, key=lambda each: each.step_run.step.id):
        months = [each.step_run.window.start for each in same if each.step_run.window]
        names = ", ".join(texts.month_name(month) for month in months[:_TOLD_MONTHS])
        more = texts("home.more", count=len(months) - _TOLD_MONTHS) if len(months) > _TOLD_MONTHS else ""
        lines.append(f"{texts(f'step.{step_id}')}" + (f": {names}{more}" if months else ""))
    return "; ".join(lines)


def _next_close(visit: Visit, found: _Standing) -> None:
    texts, month = visit.texts, found.to_close
    with Tag("section", classes="panel"):
        Tag("h3", texts("home.close", month=texts.month(month, long=True)))
        if found.blockers:
            ui.label(texts("home.close.blocked", count=len(found.blockers)))
            with Tag("ul"):
                for kind in dict.fromkeys(blocker.kind for blocker in found.blockers):
                    count = sum(blocker.kind is kind for blocker in found.blockers)
                    Tag("li", texts(f"blocker.{kind}") + (f" ({count})" if count > 1 else ""))
        else:
            Tag("p", texts("closing.free"), classes="is-completed pad")
        visit.link(texts("home.close.go"), f"months/{month:%Y-%m}", classes="button self-start")
        pairs = [(texts("home.imported"), texts.moment(found.imported) or texts("home.never"))]
        if (coming := _next_import(visit.now)) is not None:
            pairs.append((texts("home.coming"), texts.moment(coming)))
        facts(pairs)


def _next_import(now: datetime) -> datetime | None:
    """When the monthly import is due by its schedule (flows/prefect.yaml); None: no server is there that lasts."""
    if not os.environ.get("PREFECT_API_URL"):
        return None
    declared = yaml.safe_load(files("flows").joinpath("prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    schedules = next(each["schedules"] for each in declared if "schedules" in each)
    minute, hour, day, *_ = map(int, schedules[0]["cron"].replace("*", "0").split())
    due = now.replace(day=day, hour=hour, minute=minute, second=0, microsecond=0)
    return due if due > now else due.replace(year=now.year + now.month // 12, month=now.month % 12 + 1)


def _figures(visit: Visit, found: _Standing) -> None:
    """The last month that was accrued: what was earned in it, and what is deferred after it."""
    texts = visit.texts
    accrued = [each for each in found.chain.months if any(line.accrued for line in each.lines)]
    month: RollForward = accrued[-1] if accrued else found.chain.months[0]
    path = f"revenue/{month.month:%Y-%m}"
    with Tag("section", classes="panel"):
        Tag("h3", texts("home.figures", month=texts.month(month.month, long=True)))
        lines = [line for line in month.lines if line.deferred_or_earned]
        if not lines:
            ui.label(texts("accruals.none")).classes("soft")
        for line in lines:
            with Tag("dl", classes="tiles"):
                for key, amount in (("accrued", line.accrued + line.adjusted), ("closing", line.closing)):
                    with Tag("div"):
                        Tag("dt", texts(f"home.{key}"))
                        with Tag("dd", classes="big"):
                            visit.link(texts.amount(amount, line.currency), path)
                with Tag("div"):
                    Tag("dt", texts("outside"))
                    with Tag("dd"):
                        visit.link(texts.amount(line.unlinked, line.currency), f"{path}/outside")
        visit.link(texts("home.figures.go", year=month.month.year), f"revenue/{month.month.year}")


def _steps(visit: Visit, year: int, steps: Sequence[Assessment]) -> None:
    """A cell for each step and month; each leads to its run, and says why it stands as it does."""
    texts = visit.texts
    with Tag("section", classes="panel"):
        with Tag("div", classes="actions"):
            Tag("h3", texts("grid.title"))
            ui.space()
            visit.link(texts("run.new"), "runs/new", classes="button", year=year)
        with Tag("ul", classes="legend", aria_label=texts("grid.legend")):
            for state, sign in SIGNS.items():
                with Tag("li"):
                    mark(f"{sign} {texts(f'state.{state}')}", str(state))
        for step_id, cells in groupby(steps, key=lambda each: each.step_run.step.id):
            with Tag("div", classes="grid-row"):
                Tag("h4", texts(f"step.{step_id}"))
                with Tag("div", classes="cells", role="group", aria_label=texts(f"step.{step_id}")):
                    for each in cells:
                        _cell(visit, year, each)
        ui.label(texts("grid.hint")).classes("soft small")


def _cell(visit: Visit, year: int, each: Assessment) -> None:
    texts, window = visit.texts, each.step_run.window
    why = each.why if each.state is StepRunState.failed else standing_text(texts, each)
    said = f"{texts.step_run(*each.step_run.key)}: {texts(f'state.{each.state}')}" + (f" ({why})" if why else "")
    query = {"step": each.step_run.step.id, "month": f"{window.start:%Y-%m}" if window else "", "year": year}
    link = visit.link("", "runs/new", classes=f"cell is-{each.state}" + ("" if window else " once"), **query)
    link.props["aria-label"] = link.props["title"] = said
    with link:
        Tag("span", SIGNS[each.state], classes="sign", aria_hidden="true")
        Tag("span", texts.month_name(window.start) if window else texts("once"), classes="when")
