"""Which errors are wanted: the fields above the list, what they mean to the database and to the download."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import Handler, ValueChangeEventArguments

from flows.page.markup import Tag, choice
from flows.page.texts import Texts
from steps.catalog import STEPS
from tracking.error_review import ErrorFilter
from tracking.integration_error import ErrorStatus


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
