"""Notifications, and work that may take a while or be refused."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nicegui import ui

from flows.page.texts import Texts
from steps.errors import SyncError
from tracking.errors import DatabaseUnusableError

Answer = TypeVar("Answer")


def tell(message: str, *, good: bool) -> None:
    """A notification, where it covers no navigation; a failure stays until it has been read."""
    if good:
        ui.notify(message, type="positive", position="bottom", timeout=6000)
    else:
        ui.notify(message, type="negative", position="bottom", timeout=0, close_button="OK", multi_line=True)


async def ask(texts: Texts, question: Callable[[], Answer]) -> Answer | None:
    """Do something in a thread, so that nobody else waits for it; None, and a notification, if it was refused."""
    try:
        return await asyncio.to_thread(question)
    except (SyncError, DatabaseUnusableError) as refusal:
        tell(f"{texts('refused')}: {refusal}", good=False)
        return None
