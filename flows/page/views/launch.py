"""View Run: what is to be run and over which months, what that means before it starts, and the button."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial

from nicegui import ui

from flows.access import Role
from flows.page.components import (
    FIELD,
    SIGNS,
    Tag,
    Visit,
    announcer,
    ask,
    choice,
    mark,
    notify_failure,
    remember,
    said,
    standing_text,
    strong_button,
)
from flows.parameters import Only, TypedOptions, parse_month, resolve_override, steps_from
from flows.plan import Assessment, StepRunState, assess, is_meant, step_runs_of
from flows.runs import RunRequest, request_flow, request_step
from steps.catalog import ACCRUALS, SERVICES, STEPS, Step
from steps.engine.gate import LONGEST_REASON
from steps.errors import SyncError
from steps.ledger.months import MonthWindow, next_month

_IMPORT = "import"
"""Everything, from the first step on."""
_FROM = "from:"


async def show_launch(visit: Visit) -> None:
    """The form as the address fills it in: step, month or year, and what of it."""
    await _Launch(visit).show()


class _Launch:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    async def show(self) -> None:
        """Build the form, and the plan below it."""
        texts, given = self._visit.texts, self._visit.given
        first, last = self._months()
        Tag("h2", texts("run.title"))
        with Tag("section", classes="panel"):
            what = {_IMPORT: texts("run.import")}
            what |= {
                f"{_FROM}{step_id}": texts("run.from", step=texts(f"step.{step_id}")) for step_id in _later_steps()
            }
            what |= {step_id: texts("run.just", step=texts(f"step.{step_id}")) for step_id in STEPS}
            asked = given.get("step", _IMPORT)
            self._what = choice(texts("run.what"), what, asked if asked in what else _IMPORT).classes("full-width")
            with Tag("div", classes="fields"):
                self._first = ui.input(texts("run.start"), value=first).props(f"{FIELD} type=month stack-label")
                self._last = ui.input(texts("run.last"), value=last).props(f"{FIELD} type=month stack-label")
                only = {"": texts("run.all")} | {each.value: texts(f"run.only.{each}") for each in Only}
                chosen = given.get("only", "")
                self._only = choice(texts("run.which"), only, chosen if chosen in only else "")
            with Tag("div", classes="column no-wrap full-width q-gutter-y-sm") as overriding:
                with Tag("div", classes="fields"):
                    self._reason = ui.input(texts("run.override")).props(f"{FIELD} maxlength={LONGEST_REASON}")
                    self._who = ui.input(texts("closing.who"))
                    self._who.props(f"{FIELD} autocomplete=name maxlength={LONGEST_REASON}")
                ui.label(texts("run.override.why")).classes("soft small")
            overriding.bind_visibility_from(self._what, "value", value=ACCRUALS.id)
            self._summary = announcer().classes("soft")
            with Tag("div", classes="actions"):
                self._button = self._visit.allow(Role.OPERATE, strong_button(texts("run.execute"), self._execute))
        with Tag("section", classes="panel"), Tag("details") as details:
            if given.get("step") in STEPS:
                details.props["open"] = True  # of one step, and short
            Tag("summary", texts("run.plan"))
            self._plan = Tag("div")
        for field in (self._what, self._first, self._last, self._only):
            field.on_value_change(self._explain)
        await self._explain()

    def _months(self) -> tuple[str, str]:
        """The first and the last month, included, as the address has them."""
        given = self._visit.given
        if month := given.get("month"):
            text = f"{parse_month(month):%Y-%m}"
            return text, text
        if given.get("first") and given.get("last"):
            return given["first"], given["last"]
        return f"{self._visit.year}-01", f"{self._visit.year}-12"

    def _steps(self) -> tuple[Step, ...]:
        asked = str(self._what.value)
        if asked == _IMPORT:
            return steps_from(SERVICES.id)
        return steps_from(asked.removeprefix(_FROM)) if asked.startswith(_FROM) else (STEPS[asked],)

    def _span(self) -> MonthWindow:
        """The months asked for.

        Raises:
            UsageError: one of the two is no month, or they are the wrong way round.
        """
        first, last = (parse_month(str(each.value or "")) for each in (self._first, self._last))
        start, end = first.isoformat(), next_month(last).isoformat()
        return TypedOptions(self._steps()[0].id, start_date=start, end_date=end).resolve()[1]

    def _chosen(self) -> tuple[list[Assessment], MonthWindow]:
        settings, span = self._visit.settings, self._span()
        found = assess(step_runs_of(self._steps(), span, settings), settings.zone)
        only = str(self._only.value or "")
        return [each for each in found if not only or is_meant(each, Only(only))], span

    async def _explain(self) -> None:
        """What it will do in one sentence, and the plan."""
        texts = self._visit.texts
        asked = {"step": self._what, "first": self._first, "last": self._last, "only": self._only}
        remember({"month": "", "year": ""} | {name: field.value for name, field in asked.items()})
        self._plan.clear()
        self._button.disable()
        try:
            chosen, span = await asyncio.to_thread(self._chosen)
        except SyncError as refusal:
            self._summary.set_text(str(refusal))
            return
        first, last = (texts.month(each, long=True) for each in (span.start, next_month(span.end, -1)))
        by_month = any(self._visit.settings.calls_by_month(step) for step in self._steps())
        key = "run.once" if not by_month else "run.will.one" if first == last else "run.will"
        self._summary.set_text(texts(key, count=len(chosen), first=first, last=last))
        self._button.set_enabled(bool(chosen) and self._visit.caller.role >= Role.OPERATE)
        with self._plan:
            _plan(self._visit, chosen)

    async def _execute(self) -> None:
        """Refuse what makes no sense with the command line's own line, else start it and watch."""
        visit, who = self._visit, str(self._who.value or "").strip()
        reason = str(self._reason.value or "") or None if self._what.value == ACCRUALS.id else None
        if reason is not None and not who:
            notify_failure(visit.texts("closing.no_name"))
        elif request := await ask(visit.texts, lambda: self._request(reason, who)):
            self._button.disable()
            if run := await ask(visit.texts, partial(visit.start, request)):
                ui.navigate.to(visit.address(f"runs/{run}"))
            self._button.enable()

    def _request(self, reason: str | None, who: str) -> RunRequest:
        steps, span, only = self._steps(), self._span(), str(self._only.value or "") or None
        override = resolve_override(steps[0].id, reason, who)
        if len(steps) == 1 and only is None:
            return request_step(steps[0], span, override)
        return request_flow(steps, span, only)


def _later_steps() -> Sequence[str]:
    return [step.id for step in steps_from(SERVICES.id)[1:-1]]


_TOLD = 60


def _plan(visit: Visit, chosen: Sequence[Assessment]) -> None:
    """Each step and month that will run, and where it stands now."""
    texts = visit.texts
    if not chosen:
        ui.label(texts("run.nothing")).classes("soft")
        return
    counts = Counter(each.state for each in chosen)
    with Tag("div", classes="actions"):
        for state, count in counts.items():
            mark(f"{SIGNS[state]} {count} {texts(f'state.{state}')}", str(state))
    with Tag("ul", classes="rows"):
        for each in chosen[:_TOLD]:
            with Tag("li"), Tag("div", classes="row-in"):
                Tag("span", texts.step_run(*each.step_run.key), classes="what")
                mark(f"{SIGNS[each.state]} {texts(f'state.{each.state}')}", str(each.state))
                if each.state is StepRunState.failed:
                    said(texts, "span", each.why, "detail small")
                elif why := standing_text(texts, each):
                    Tag("span", why, classes="detail small")
    if len(chosen) > _TOLD:
        ui.label(texts("home.more", count=len(chosen) - _TOLD)).classes("soft")
