"""View Overview: where each step and month stands, and why."""

import asyncio
from collections.abc import Sequence
from datetime import date
from itertools import groupby

from nicegui import ui

from flows.page.components import FIELD, Tag, Visit, dialog_of, english, mark, standing_text, strong_button
from flows.page.views.run import RunProgress
from flows.plan import Assessment, StepRunState, assess, step_runs_of
from steps.catalog import STEPS
from steps.ledger.months import MonthWindow

SIGNS = {
    StepRunState.completed: "✓",
    StepRunState.failed: "✗",
    StepRunState.missing: "–",
    StepRunState.stale: "↻",
    StepRunState.running: "…",
}
_REFRESH_SECONDS = 3.0


def read_states(visit: Visit, year: int) -> list[Assessment]:
    """Where each step and month of a year stands."""
    span = MonthWindow(date(year, 1, 1), date(year + 1, 1, 1))
    return assess(step_runs_of(tuple(STEPS.values()), span, visit.settings), visit.settings.zone)


def show_grid(visit: Visit) -> None:
    """Build the view."""
    texts = visit.texts
    Tag("h2", texts("grid.title"))
    grid = GridView(visit)
    with Tag("section", classes="panel"):
        with Tag("div", classes="fields"):
            year = ui.select(visit.years(), label=texts("grid.year"), value=visit.settings.default_year)
            year.props(FIELD).classes("narrow")
            _legend(visit)
        grid.build()
    grid.progress = RunProgress(visit)

    async def choose() -> None:
        grid.year = int(year.value)
        await grid.refresh()

    year.on_value_change(choose)
    ui.timer(0.0, grid.refresh, once=True)
    ui.timer(_REFRESH_SECONDS, grid.refresh)


def _legend(visit: Visit) -> None:
    with Tag("ul", classes="legend", aria_label=visit.texts("grid.legend")):
        for state, sign in SIGNS.items():
            with Tag("li"):
                mark(f"{sign} {visit.texts(f'state.{state}')}", str(state))


class GridView:
    """The cells, and why the one that is pointed at stands as it does."""

    def __init__(self, visit: Visit) -> None:
        self.year = visit.settings.default_year
        self.progress: RunProgress | None = None
        self._visit = visit
        self._shown: list[Assessment] = []

    def build(self) -> None:
        """The places for the cells and for the reason."""
        self._cells = Tag("div", classes="column no-wrap full-width q-gutter-y-md")
        with Tag("p", classes="why soft", role="status", aria_live="polite"):
            self._why = Tag("span", self._visit.texts("grid.hint"))
            self._failure = english("span", "")

    async def refresh(self) -> None:
        """Look again; what has not changed stays, and with it the focus."""
        found = await asyncio.to_thread(read_states, self._visit, self.year)
        if found == self._shown:
            return
        self._shown = found
        self._cells.clear()
        with self._cells:
            for step_id, cells in groupby(found, key=lambda each: each.step_run.step.id):
                self._row(step_id, list(cells))

    def _row(self, step_id: str, cells: Sequence[Assessment]) -> None:
        name = self._visit.texts(f"step.{step_id}")
        with Tag("div", classes="grid-row"):
            Tag("h3", name)
            with Tag("div", classes="cells", role="group", aria_label=name):
                for each in cells:
                    self._cell(each)

    def _cell(self, each: Assessment) -> None:
        texts, window = self._visit.texts, each.step_run.window
        button = ui.button(on_click=lambda: self._confirm(each)).props("flat no-caps color=none")
        button.classes(f"cell is-{each.state}" + ("" if window else " once"))
        button.props["aria-label"] = self._described(each)
        with button:
            Tag("span", SIGNS[each.state], classes="sign", aria_hidden="true")
            Tag("span", texts.month_name(window.start) if window else texts("once"), classes="when")
        for event in ("focus", "mouseenter"):
            button.on(event, lambda: self._explain(each))

    def _explain(self, each: Assessment) -> None:
        self._why.set_text(self._described(each))
        self._failure.set_text(f" ({each.why})" if each.state is StepRunState.failed else "")

    def _described(self, each: Assessment) -> str:
        texts, window = self._visit.texts, each.step_run.window
        name = texts.step_run(each.step_run.step.id, window.start if window else None)
        why = standing_text(texts, each)
        return f"{name}: {texts(f'state.{each.state}')}" + (f" ({why})" if why else "")

    def _confirm(self, each: Assessment) -> None:
        texts, window = self._visit.texts, each.step_run.window
        with dialog_of(
            texts("grid.run", name=texts.step_run(each.step_run.step.id, window.start if window else None))
        ) as dialog:
            with Tag("div", classes="actions"):
                mark(f"{SIGNS[each.state]} {texts(f'state.{each.state}')}", str(each.state))
            if each.state is StepRunState.failed:
                english("p", each.why, "soft breaking")
            elif why := standing_text(texts, each):
                ui.label(why).classes("soft")

            async def start() -> None:
                dialog.close()
                await self._start(each)

            with Tag("div", classes="actions"):
                strong_button(texts("grid.run.yes"), start).props("autofocus")
                ui.button(texts("cancel"), on_click=dialog.close).props("flat no-caps")

    async def _start(self, each: Assessment) -> None:
        this_month = MonthWindow.of(date(self.year, 1, 1))
        if self.progress is not None:
            await self.progress.start(each.step_run.step, each.step_run.window or this_month)
