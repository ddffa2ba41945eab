"""Closing and reopening months: what is in the way, who says so, and why."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date

from nicegui import ui

from flows.page.markup import FIELD, Tag, dialog_of, english, mark, strong_button
from flows.page.notices import ask, tell
from flows.page.visit import Visit
from steps.accruals.closing import Signature, close_month, reopen_month
from steps.accruals.closing_checks import Blocker, Candidate, find_blockers
from steps.accruals.reports.roll_forward import RollForwardChain
from tracking.database import read_session

Refresh = Callable[[], Awaitable[None]]


class ClosingList:
    """The months of a year, each with the one thing that can be done with it."""

    def __init__(self, visit: Visit, refresh: Refresh) -> None:
        self._visit, self._refresh = visit, refresh
        self._rows = Tag("ul", classes="rows months")

    def show(self, report: RollForwardChain | None) -> None:
        """The months as they stand now."""
        self._rows.clear()
        with self._rows:
            for each in report.months if report else ():
                with Tag("li"), Tag("div", classes="row-in"):
                    self._row(each.month, closed=each.closed)

    def _row(self, month: date, *, closed: bool) -> None:
        texts = self._visit.texts
        name, state = texts.month(month, long=True), "closed" if closed else "open"
        Tag("span", name, classes="what")
        mark(texts(f"closing.{state}"), state)

        async def act() -> None:
            await (self._ask_to_reopen(month) if closed else self._ask_to_close(month))

        label = texts("closing.reopen" if closed else "closing.close", month=name)
        ui.button(label, on_click=act).props("flat dense no-caps")

    async def _ask_to_close(self, month: date) -> None:
        texts, settings = self._visit.texts, self._visit.settings
        name, candidate = texts.month(month, long=True), Candidate(month, self._visit.now.date(), settings)
        blockers = await asyncio.to_thread(_blockers, candidate)
        if blockers:
            self._show_blockers(name, blockers)
            return
        words = _Words(texts("closing.close", month=name), texts("closing.free"), texts("closing.reason"))

        async def close(by: Signature) -> bool:
            done = await ask(texts, lambda: close_month(candidate, by)) is not None
            if done:
                tell(texts("closing.done", month=name), good=True)
            return done

        self._ask_signature(words, close)

    def _show_blockers(self, name: str, blockers: list[Blocker]) -> None:
        texts = self._visit.texts
        with dialog_of(texts("closing.blocked", month=name)) as dialog:
            ui.label(texts("closing.blockers"))
            with Tag("ul"):
                for blocker in blockers:
                    english("li", blocker.message)
            ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")

    async def _ask_to_reopen(self, month: date) -> None:
        texts = self._visit.texts
        name = texts.month(month, long=True)
        words = _Words(texts("closing.reopen", month=name), texts("closing.later"), texts("closing.why"))

        async def reopen(by: Signature) -> bool:
            opened = await ask(texts, lambda: reopen_month(month, by)) or []
            if opened:
                tell(texts("closing.opened", months=", ".join(map(texts.month, opened))), good=True)
            return bool(opened)

        self._ask_signature(words, reopen)

    def _ask_signature(self, words: "_Words", act: Callable[[Signature], Awaitable[bool]]) -> None:
        """Who says so and why; both stay in the books."""
        texts = self._visit.texts
        with dialog_of(words.title) as dialog:
            ui.label(words.explanation).classes("soft")
            who = ui.input(texts("closing.who")).props(f"{FIELD} autofocus autocomplete=name").classes("full-width")
            reason = ui.input(words.reason).props(FIELD).classes("full-width")

            async def sign() -> None:
                if not (who.value or "").strip():
                    tell(texts("closing.no_name"), good=False)
                    return
                if await act(Signature(who.value.strip(), reason.value or "")):
                    dialog.close()
                    await self._refresh()

            with Tag("div", classes="actions"):
                strong_button(words.title, sign)
                ui.button(texts("cancel"), on_click=dialog.close).props("flat no-caps")


@dataclass(frozen=True)
class _Words:
    title: str
    explanation: str
    reason: str


def _blockers(candidate: Candidate) -> list[Blocker]:
    with read_session() as session:
        return find_blockers(session, candidate)
