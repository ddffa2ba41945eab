"""What can be done with the errors that are selected: resolve, ignore, try their steps and months again."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from flows.page.markup import Tag, announcer
from flows.page.notices import ask, tell
from flows.page.visit import Visit
from tracking.error_review import mark_errors
from tracking.integration_error import ErrorStatus

MARKS = {ErrorStatus.RESOLVED: "errors.resolve", ErrorStatus.IGNORED: "errors.ignore"}


class ErrorActions:
    """The buttons above the list."""

    def __init__(self, visit: Visit, chosen: Callable[[], list[int]], refresh: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._chosen, self._refresh = visit, chosen, refresh
        with Tag("div", classes="actions"):
            for status, key in MARKS.items():
                self._button(status, key)
            self._count = announcer().classes("soft")

    def count(self) -> None:
        """Say how many are selected."""
        self._count.set_text(self._visit.texts("errors.chosen", count=len(self._chosen())))

    def _button(self, status: ErrorStatus, key: str) -> None:
        async def act() -> None:
            await self._mark(status)

        ui.button(self._visit.texts(key), on_click=act).props("outline no-caps")

    async def _mark(self, status: ErrorStatus) -> None:
        texts, ids = self._visit.texts, self._chosen()
        if not ids:
            tell(texts("errors.nothing"), good=False)
            return
        unknown = await ask(texts, lambda: mark_errors(ids, status))
        if unknown is not None:
            count = len(ids) - len(unknown)
            tell(texts("errors.marked", count=count, status=texts(f"status.{status}")), good=True)
            await self._refresh()
