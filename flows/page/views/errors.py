"""View Errors: records that could not be applied, as work."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import Handler, ValueChangeEventArguments

from flows.page.components import Tag, Texts, Visit, announcer, ask, choice, dialog_of, english, mark, tell
from flows.page.views.run import RunProgress
from flows.plan import plan_retry
from flows.runs import request_retry
from steps.catalog import STEPS
from tracking.integration_errors import ErrorFilter, find_errors, known_entity_types, mark_errors
from tracking.models import ErrorStatus, IntegrationError


class ErrorFilters:
    """A drop-down for each column that the API filters by; at first the pending errors are wanted."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        steps = {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        integrations = {step.integration: texts(f"integration.{step.integration}") for step in STEPS.values()}
        statuses = {each.value: texts(f"error.{each}") for each in ErrorStatus}
        with Tag("div", classes="fields"):
            self._fields = {
                "integration_name": self._choice("errors.integration", integrations),
                "operation": self._choice("history.step", steps),
                "entity_type": self._choice("errors.entity", {}),
                "status": self._choice("history.status", statuses, ErrorStatus.PENDING.value),
            }

    def on_change(self, act: Handler[ValueChangeEventArguments[Any]]) -> None:
        """Args: `act` is called whenever somebody chooses something else."""
        for field in self._fields.values():
            field.on_value_change(act)

    def offer_entity_types(self, known: Iterable[str]) -> None:
        """Let people choose among these; what is chosen stays, even if there is no error of it any more."""
        field = self._fields["entity_type"]
        options = {each: self._texts.entity(each) for each in [*known, field.value] if each}
        field.set_options({"": self._texts("all"), **options}, value=field.value)

    def wanted(self, *, older_than: int | None, limit: int) -> ErrorFilter:
        """What is chosen, a page of it."""
        return ErrorFilter(**self._chosen(), older_than=older_than, limit=limit)

    def csv_address(self) -> str:
        """Where all of what is chosen can be downloaded."""
        return f"/download/errors.csv?{urlencode(self._chosen())}"

    def _chosen(self) -> dict[str, Any]:
        return {name: field.value for name, field in self._fields.items() if field.value}

    def _choice(self, key: str, options: dict[str, str], value: str = "") -> ui.select:
        return choice(self._texts(key), {"": self._texts("all"), **options}, value)


def error_row(texts: Texts, error: IntegrationError, at_choice: Callable[[], None]) -> ui.checkbox:
    """One row of the list. Returns the box that selects it; `at_choice` is called whenever that changes."""
    with Tag("li", classes="row no-wrap items-start"):
        box = ui.checkbox(on_change=at_choice)
        box.props["aria-label"] = texts("errors.select", id=error.id)
        with Tag("div", classes="row-in"):
            Tag("span", texts(f"step.{error.operation}"), classes="what")
            Tag("span", f"{texts.entity(error.entity_type)} {error.entity_external_id}", classes="breaking")
            mark(texts(f"error.{error.status}"), error.status)
            english("span", error.error_message, "told")
            Tag("span", _met(texts, error), classes="soft small")
            look = ui.button(texts("errors.payload"), on_click=lambda: _show_payload(texts, error))
            look.props("flat dense no-caps")
            look.props["aria-label"] = texts("errors.payload.of", id=error.id)
    return box


def _met(texts: Texts, error: IntegrationError) -> str:
    first, last = texts.moment(error.first_seen_at), texts.moment(error.last_seen_at)
    if error.occurrences == 1:
        return texts("errors.met.once", first=first)
    return texts("errors.met", count=error.occurrences, first=first, last=last)


def _show_payload(texts: Texts, error: IntegrationError) -> None:
    with dialog_of(texts("errors.payload.of", id=error.id)) as dialog:
        english("p", error.error_message)
        record = json.dumps(error.error_details, indent=2, ensure_ascii=False)
        Tag("pre", record, classes="payload", tabindex="0", role="region", aria_label=texts("errors.payload"))
        ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")


MARKS = {ErrorStatus.RESOLVED: "errors.resolve", ErrorStatus.IGNORED: "errors.ignore"}


class ErrorActions:
    """The buttons above the list."""

    def __init__(self, visit: Visit, chosen: Callable[[], list[int]], refresh: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._chosen, self._refresh = visit, chosen, refresh
        self._progress = RunProgress(visit, refresh)
        with Tag("div", classes="actions"):
            for status, key in MARKS.items():
                self._button(status, key)
            retry = ui.button(visit.texts("errors.retry"), on_click=self._retry).props("outline no-caps")
            with retry:
                ui.tooltip(visit.texts("errors.retry.why"))
            self._count = announcer().classes("soft")

    def count(self) -> None:
        """Say how many are selected."""
        self._count.set_text(self._visit.texts("errors.chosen", count=len(self._chosen())))

    def _button(self, status: ErrorStatus, key: str) -> None:
        async def act() -> None:
            await self._mark(status)

        ui.button(self._visit.texts(key), on_click=act).props("outline no-caps")

    async def _retry(self) -> None:
        texts, ids = self._visit.texts, self._chosen()
        if not ids:
            tell(texts("errors.nothing"), good=False)
        elif await ask(texts, lambda: plan_retry(ids)):
            await self._progress.watch(texts("errors.retry"), request_retry(ids))

    async def _mark(self, status: ErrorStatus) -> None:
        texts, ids = self._visit.texts, self._chosen()
        if not ids:
            tell(texts("errors.nothing"), good=False)
            return
        unknown = await ask(texts, lambda: mark_errors(ids, status))
        if unknown is not None:
            count = len(ids) - len(unknown)
            tell(texts("errors.marked", count=count, status=texts(f"error.{status}")), good=True)
            await self._refresh()


PAGE_ROWS = 25


def show_errors(visit: Visit) -> None:
    """Build the view."""
    Tag("h2", visit.texts("errors.title"))
    with Tag("section", classes="panel"):
        ErrorsView(visit)


class ErrorsView:
    """Filters, what can be done with those that are selected, and the list."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._visit = visit
        self._boxes: dict[int, ui.checkbox] = {}
        self._oldest: int | None = None
        self._filters = ErrorFilters(texts)
        self._actions = ErrorActions(visit, self.chosen, self.refresh)
        with Tag("div", classes="actions"):
            self._all = ui.checkbox(texts("errors.all"), on_change=self._choose_all)
            self._csv = ui.link(texts("errors.csv"), self._filters.csv_address()).props("download")
        self._rows = Tag("div")
        with self._rows:
            ui.label(texts("reading")).classes("soft")
        self._more = ui.button(texts("more"), on_click=self._show_more).props("flat no-caps")
        self._more.set_visibility(False)
        self._filters.on_change(self.refresh)
        ui.timer(0.0, self.refresh, once=True)

    def chosen(self) -> list[int]:
        """The ids that are selected."""
        return [error_id for error_id, box in self._boxes.items() if box.value]

    async def refresh(self) -> None:
        """Begin with the newest again, none selected."""
        self._oldest = None
        found = await self._next_page()
        self._filters.offer_entity_types(await asyncio.to_thread(known_entity_types))
        self._rows.clear()
        self._boxes.clear()
        self._all.set_value(False)
        self._csv.props["href"] = self._filters.csv_address()
        self._show(found)

    async def _show_more(self) -> None:
        self._show(await self._next_page())

    async def _next_page(self) -> list[IntegrationError]:
        """One more than a page, which tells whether there is another."""
        wanted = self._filters.wanted(older_than=self._oldest, limit=PAGE_ROWS + 1)
        return await asyncio.to_thread(find_errors, wanted)

    def _show(self, found: list[IntegrationError]) -> None:
        page = found[:PAGE_ROWS]
        with self._rows:
            if not page:
                ui.label(self._visit.texts("errors.none")).classes("soft")
            with Tag("ul", classes="rows"):
                for error in page:
                    self._boxes[error.id or 0] = error_row(self._visit.texts, error, self._actions.count)
        self._oldest = page[-1].id if page else None
        self._more.set_visibility(len(found) > PAGE_ROWS)
        self._actions.count()

    def _choose_all(self) -> None:
        for box in self._boxes.values():
            box.set_value(self._all.value)
