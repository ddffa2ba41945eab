"""View Errors: records that could not be applied, as work."""

import asyncio
import json
from functools import partial
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from flows.page.components import (
    PagedList,
    Tag,
    Visit,
    announcer,
    ask,
    choice,
    dialog_of,
    english,
    mark,
    notify_failure,
    notify_success,
)
from flows.page.texts import Texts
from flows.page.views.run import RunProgress
from flows.plan import plan_retry
from flows.runs import request_retry
from steps.catalog import STEPS
from tracking.integration_errors import ErrorFilter, find_errors, known_entity_types, mark_errors
from tracking.models import ErrorStatus, IntegrationError


class ErrorsView(PagedList[IntegrationError]):
    """Filters, at first for the pending errors, what can be done with those that are selected, and the list."""

    def __init__(self, visit: Visit) -> None:
        texts = visit.texts
        self._texts = texts
        self._boxes: dict[int, ui.checkbox] = {}
        Tag("h2", texts("errors.title"))
        with Tag("section", classes="panel"):
            self._fields = _filter_fields(texts)
            self._progress = RunProgress(visit, self.refresh)
            with Tag("div", classes="actions"):
                for status, key in ((ErrorStatus.RESOLVED, "errors.resolve"), (ErrorStatus.IGNORED, "errors.ignore")):
                    ui.button(texts(key), on_click=partial(self._decide, status)).props("outline no-caps")
                with ui.button(texts("errors.retry"), on_click=self._retry).props("outline no-caps"):
                    ui.tooltip(texts("errors.retry.why"))
                self._count = announcer().classes("soft")
            with Tag("div", classes="actions"):
                self._all = ui.checkbox(texts("errors.all"), on_change=self._select_all)
                self._csv = ui.link(texts("errors.csv"), self._csv_address()).props("download")
            super().__init__(texts, texts("errors.none"))
        for field in self._fields.values():
            field.on_value_change(self.refresh)

    def read(self, after: IntegrationError | None, limit: int) -> list[IntegrationError]:
        """As the filters say."""
        return find_errors(ErrorFilter(**self._chosen(), older_than=after.id if after else None, limit=limit))

    def show(self, page: list[IntegrationError]) -> None:
        """Each can be selected."""
        with Tag("ul", classes="rows"):
            for error in page:
                self._boxes[error.id or 0] = _error_row(self._texts, error)
                self._boxes[error.id or 0].on_value_change(self._show_count)

    async def refresh(self) -> None:
        """Begin with the newest again, none selected."""
        kind = self._fields["entity_type"]
        known = await asyncio.to_thread(known_entity_types)
        # What is chosen stays, even if there is no error of it any more.
        options = {each: self._texts.entity(each) for each in [*known, kind.value] if each}
        kind.set_options({"": self._texts("all"), **options}, value=kind.value)
        self._boxes.clear()
        self._all.set_value(False)
        await super().refresh()
        self._csv.props["href"] = self._csv_address()
        self._show_count()

    def _chosen(self) -> dict[str, Any]:
        return {name: field.value for name, field in self._fields.items() if field.value}

    def _csv_address(self) -> str:
        """Where all of what is chosen can be downloaded."""
        return f"/download/errors.csv?{urlencode(self._chosen())}"

    def _selected(self) -> list[int]:
        return [error_id for error_id, box in self._boxes.items() if box.value]

    def _select_all(self) -> None:
        for box in self._boxes.values():
            box.set_value(self._all.value)

    def _show_count(self) -> None:
        self._count.set_text(self._texts("errors.chosen", count=len(self._selected())))

    async def _retry(self) -> None:
        texts, ids = self._texts, self._selected()
        if not ids:
            notify_failure(texts("errors.nothing"))
        elif await ask(texts, lambda: plan_retry(ids)):
            await self._progress.watch(texts("errors.retry"), request_retry(ids))

    async def _decide(self, status: ErrorStatus) -> None:
        texts, ids = self._texts, self._selected()
        if not ids:
            notify_failure(texts("errors.nothing"))
        elif (unknown := await ask(texts, lambda: mark_errors(ids, status))) is not None:
            count = len(ids) - len(unknown)
            notify_success(texts("errors.marked", count=count, status=texts(f"error.{status}")))
            await self.refresh()


def _filter_fields(texts: Texts) -> dict[str, ui.select]:
    """A drop-down for each column that the API filters by."""
    steps = {step_id: texts(f"step.{step_id}") for step_id in STEPS}
    integrations = {step.integration: texts(f"integration.{step.integration}") for step in STEPS.values()}
    statuses = {each.value: texts(f"error.{each}") for each in ErrorStatus}
    every = {"": texts("all")}
    with Tag("div", classes="fields"):
        return {
            "integration_name": choice(texts("errors.integration"), every | integrations, ""),
            "operation": choice(texts("step"), every | steps, ""),
            "entity_type": choice(texts("errors.entity"), every, ""),
            "status": choice(texts("history.status"), every | statuses, ErrorStatus.PENDING.value),
        }


def _error_row(texts: Texts, error: IntegrationError) -> ui.checkbox:
    """One row of the list. Returns the box that selects it."""
    with Tag("li", classes="row no-wrap items-start"):
        box = ui.checkbox()
        box.props["aria-label"] = texts("errors.select", id=error.id)
        first, last = texts.moment(error.first_seen_at), texts.moment(error.last_seen_at)
        met = "errors.met.once" if error.occurrences == 1 else "errors.met"
        with Tag("div", classes="row-in"):
            Tag("span", texts(f"step.{error.operation}"), classes="what")
            Tag("span", f"{texts.entity(error.entity_type)} {error.entity_external_id}", classes="breaking")
            mark(texts(f"error.{error.status}"), error.status)
            english("span", error.error_message, "detail")
            Tag("span", texts(met, count=error.occurrences, first=first, last=last), classes="soft small")
            look = ui.button(texts("errors.payload"), on_click=partial(_show_payload, texts, error))
            look.props("flat dense no-caps")
            look.props["aria-label"] = texts("errors.payload.of", id=error.id)
    return box


def _show_payload(texts: Texts, error: IntegrationError) -> None:
    with dialog_of(texts("errors.payload.of", id=error.id)) as dialog:
        english("p", error.error_message)
        record = json.dumps(error.error_details, indent=2, ensure_ascii=False)
        Tag("pre", record, classes="payload", tabindex="0", role="region", aria_label=texts("errors.payload"))
        ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")
