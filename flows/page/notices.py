"""Notifications, and work that may take a while or be refused."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from nicegui import ui

from flows.page.texts import Texts
from steps.errors import SyncError
from tracking.errors import DatabaseUnusableError

Answer = TypeVar("Answer")
_BAD: dict[str, Any] = {
    "type": "negative",
    "position": "bottom",
    "timeout": None,
    "close_button": "OK",
    "multi_line": True,
}


def tell(message: str, *, good: bool) -> None:
    """A notification, where it covers no navigation; a failure stays until it has been read."""
    if good:
        ui.notify(message, type="positive", position="bottom", timeout=6000)
    else:
        ui.notification(message, **_BAD)


class Complaint:
    """One notification of what goes wrong, whose text grows with it; who has closed it gets a new one with the next."""

    def __init__(self) -> None:
        self._shown: ui.notification | None = None

    def say(self, message: str) -> None:
        """Show this, in the place of what was said before."""
        if self._shown is None or self._shown.is_deleted:
            self._shown = ui.notification(message, **_BAD)
        elif self._shown.message != message:
            self._shown.message = message


async def ask(texts: Texts, question: Callable[[], Answer]) -> Answer | None:
    """Do something in a thread, so that nobody else waits for it; None, and a notification, if it was refused."""
    try:
        return await asyncio.to_thread(question)
    except (SyncError, DatabaseUnusableError) as refusal:
        tell(f"{texts('refused')}: {refusal}", good=False)
        return None
