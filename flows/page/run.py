"""View: choose a step and its months, execute, watch."""

from dataclasses import dataclass

from nicegui import ui

from flows.cli.run import Request
from flows.page.markup import FIELD, Tag, choice, day_field, strong_button
from flows.page.notices import ask, tell
from flows.page.run_progress import RunProgress
from flows.page.visit import Visit
from flows.parameters import resolve_override
from steps.accruals.gate import LONGEST_REASON
from steps.catalog import ACCRUALS, STEPS
from steps.connectors.backend import called_by_month
from steps.domain.months import MonthWindow, next_month
from steps.errors import SyncError

_YEAR, _MONTHS = "year", "months"


def show_run(visit: Visit) -> None:
    """Build the view."""
    Tag("h2", visit.texts("run.title"))
    with Tag("section", classes="panel"):
        form = RunForm(visit)
    progress = RunProgress(visit)
    form.button.on_click(lambda: _execute(visit, form, progress))


async def _execute(visit: Visit, form: "RunForm", progress: RunProgress) -> None:
    """Refuse what makes no sense with the command line's own line, else start it and watch."""
    request = form.request()
    if request.override is not None and not form.who:
        tell(visit.texts("closing.no_name"), good=False)
        return
    if asked := await ask(visit.texts, request.resolve):
        step_id, span = asked
        override = resolve_override(step_id, request.override, form.who)
        form.button.disable()
        await progress.start(STEPS[step_id], span, override)
        form.button.enable()


@dataclass
class _Range:
    kind: ui.radio
    year: ui.select
    start: ui.input
    end: ui.input


class RunForm:
    """Step, months, and the button."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        steps = {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        self._step = choice(texts("run.step"), steps, "invoices").classes("full-width")
        self._what = ui.label().classes("soft")
        self._months = Tag("div", classes="panel-in")
        with self._months:
            self._range = self._range_fields()
            self._override, self._who = self._override_fields()
        self._summary = ui.label().classes("soft").props('role="status" aria-live="polite"')
        with Tag("div", classes="actions"):
            self.button = strong_button(texts("run.execute"))
        for field in (self._step, self._range.kind, self._range.year, self._range.start, self._range.end):
            field.on_value_change(self._explain)
        self._explain()

    def _range_fields(self) -> _Range:
        texts, year = self._visit.texts, self._visit.settings.default_year
        kind = ui.radio({_YEAR: texts("run.year"), _MONTHS: texts("run.months")}, value=_YEAR).props("inline")
        kind.props["aria-label"] = texts("run.range")
        field = ui.select(self._visit.years(), label=texts("grid.year"), value=year).props(FIELD)
        field.bind_visibility_from(kind, "value", value=_YEAR)
        with Tag("div", classes="fields") as dates:
            start = day_field(texts("run.start"), f"{year}-01-01")
            end = day_field(texts("run.end"), f"{year + 1}-01-01")
        dates.bind_visibility_from(kind, "value", value=_MONTHS)
        why = ui.label(texts("run.end.why")).classes("soft small")
        why.bind_visibility_from(kind, "value", value=_MONTHS)
        return _Range(kind, field, start, end)

    def _override_fields(self) -> tuple[ui.input, ui.input]:
        """For accruals: why a month is accrued although its import is broken, and who says so."""
        texts = self._visit.texts
        with Tag("div", classes="column no-wrap full-width q-gutter-y-sm") as fields:
            with Tag("div", classes="fields"):
                reason = ui.input(texts("run.override")).props(f"{FIELD} maxlength={LONGEST_REASON}")
                who = ui.input(texts("closing.who")).props(f"{FIELD} autocomplete=name maxlength={LONGEST_REASON}")
            ui.label(texts("run.override.why")).classes("soft small")
        fields.bind_visibility_from(self._step, "value", value=ACCRUALS.id)
        return reason, who

    @property
    def who(self) -> str:
        """The name of the person who overrides."""
        return str(self._who.value or "").strip()

    def request(self) -> Request:
        """What is asked for, as the command line would be."""
        step = str(self._step.value)
        if not called_by_month(STEPS[step], self._visit.settings):
            return Request(step)
        override = str(self._override.value or "") or None if step == ACCRUALS.id else None
        if self._range.kind.value == _YEAR:
            return Request(step, year=str(self._range.year.value), override=override)
        start, end = str(self._range.start.value or ""), str(self._range.end.value or "")
        return Request(step, start_date=start, end_date=end, override=override)

    def _explain(self) -> None:
        """Say what the step does and which months it would be."""
        step = STEPS[str(self._step.value)]
        self._what.set_text(self._visit.texts(f"step.{step.id}.what"))
        by_month = called_by_month(step, self._visit.settings)
        self._months.set_visibility(by_month)
        if not by_month:
            self._summary.set_text(self._visit.texts("run.once"))
            return
        try:
            self._summary.set_text(self._span_text(self.request().resolve()[1]))
        except SyncError as refusal:
            self._summary.set_text(str(refusal))

    def _span_text(self, span: MonthWindow) -> str:
        texts, count = self._visit.texts, sum(1 for _ in span.months())
        first, last = texts.month(span.start, long=True), texts.month(next_month(span.end, -1), long=True)
        return texts("run.span.one" if count == 1 else "run.span", count=count, first=first, last=last)
