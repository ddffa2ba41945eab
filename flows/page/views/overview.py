"""View Overview: where each step and month stands, and why."""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import groupby

from nicegui import ui

from flows.page.components import Tag, Visit, dialog_of, english, mark, standing_text, strong_button, year_field
from flows.page.views.run import RunProgress
from flows.parameters import months_of_year
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


class GridView:
    """A cell for each step and month of a year, and why the one that is pointed at stands as it does."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        self._shown: list[Assessment] = []
        Tag("h2", texts("grid.title"))
        with Tag("section", classes="panel"):
            with Tag("div", classes="fields"):
                self._year = year_field(visit, texts("year")).classes("narrow")
                with Tag("ul", classes="legend", aria_label=texts("grid.legend")):
                    for state in SIGNS:
                        with Tag("li"):
                            self._mark(state)
            self._cells = Tag("div", classes="column no-wrap full-width q-gutter-y-md")
            with Tag("p", classes="why soft", role="status", aria_live="polite"):
                self._why = Tag("span", texts("grid.hint"))
                self._failure = english("span", "")
        self._progress = RunProgress(visit)
        self._year.on_value_change(self.refresh)
        ui.timer(0.0, self.refresh, once=True)
        ui.timer(_REFRESH_SECONDS, self.refresh)

    async def refresh(self) -> None:
        """Look again; what has not changed stays, and with it the focus."""
        settings = self._visit.settings
        step_runs = step_runs_of(tuple(STEPS.values()), months_of_year(self._year.value), settings)
        found = await asyncio.to_thread(assess, step_runs, settings.zone)
        if found == self._shown:
            return
        self._shown = found
        self._cells.clear()
        with self._cells:
            for step_id, cells in groupby(found, key=lambda each: each.step_run.step.id):
                self._row(self._visit.texts(f"step.{step_id}"), list(cells))

    def _row(self, name: str, cells: Sequence[Assessment]) -> None:
        with Tag("div", classes="grid-row"):
            Tag("h3", name)
            with Tag("div", classes="cells", role="group", aria_label=name):
                for each in cells:
                    self._cell(each)

    def _cell(self, each: Assessment) -> None:
        texts, window = self._visit.texts, each.step_run.window
        with ui.button(on_click=partial(self._confirm, each)).props("flat no-caps color=none") as button:
            Tag("span", SIGNS[each.state], classes="sign", aria_hidden="true")
            Tag("span", texts.month_name(window.start) if window else texts("once"), classes="when")
        button.classes(f"cell is-{each.state}" + ("" if window else " once"))
        button.props["aria-label"] = self._described(each)
        for event in ("focus", "mouseenter"):
            button.on(event, partial(self._explain, each))

    def _mark(self, state: StepRunState) -> None:
        mark(f"{SIGNS[state]} {self._visit.texts(f'state.{state}')}", str(state))

    def _explain(self, each: Assessment) -> None:
        self._why.set_text(self._described(each))
        self._failure.set_text(f" ({each.why})" if each.state is StepRunState.failed else "")

    def _described(self, each: Assessment) -> str:
        texts, why = self._visit.texts, standing_text(self._visit.texts, each)
        state = f"{texts.step_run(*each.step_run.key)}: {texts(f'state.{each.state}')}"
        return f"{state} ({why})" if why else state

    def _confirm(self, each: Assessment) -> None:
        texts = self._visit.texts
        with dialog_of(texts("grid.run", name=texts.step_run(*each.step_run.key))) as dialog:
            with Tag("div", classes="actions"):
                self._mark(each.state)
            if each.state is StepRunState.failed:
                english("p", each.why, "soft breaking")
            elif why := standing_text(texts, each):
                ui.label(why).classes("soft")

            async def start() -> None:
                dialog.close()
                # A step that is called once a run takes no notice of the month.
                span = each.step_run.window or MonthWindow.of(months_of_year(self._year.value).start)
                await self._progress.start(each.step_run.step, span)

            with Tag("div", classes="actions"):
                strong_button(texts("grid.run.yes"), start).props("autofocus")
                ui.button(texts("cancel"), on_click=dialog.close).props("flat no-caps")
