"""What can be done with the errors that are selected: resolve, ignore, try their steps and months again."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from flows.page.markup import Tag, announcer
from flows.page.notices import ask, tell
from flows.page.run_progress import RunProgress
from flows.page.visit import Visit
from flows.retrying import plan_retry
from tracking.error_review import mark_errors
from tracking.integration_error import ErrorStatus

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
            await self._progress.watch(texts("errors.retry"), lambda: self._visit.runs.retry(ids))

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
