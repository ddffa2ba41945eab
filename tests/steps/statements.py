"""How many statements reach the database, and how often the settings file is read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from tracking.database import get_engine


@contextmanager
def counting_statements() -> Iterator[list[str]]:
    """Every statement that reaches a database inside the block, but those of the transaction itself."""
    seen: list[str] = []

    def _note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    get_engine()  # opened, so that its migrations are not counted
    event.listen(Engine, "before_cursor_execute", _note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", _note)


@contextmanager
def counting_settings_reads() -> Iterator[list[str]]:
    """Each time that `.env` of the present folder, which is made for it, is opened inside the block."""
    Path(".env").write_text("# nothing is set\n")
    opened = _opened_files()
    before = len(opened)
    seen: list[str] = []
    yield seen
    seen += [path for path in opened[before:] if Path(path).name == ".env"]


@cache
def _opened_files() -> list[str]:
    """Every file that this process opens from now on; Python keeps such a hook for good."""
    opened: list[str] = []

    def note(event_name: str, arguments: tuple[Any, ...]) -> None:
        if event_name == "open" and isinstance(arguments[0], str | Path):
            opened.append(str(arguments[0]))

    sys.addaudithook(note)
    return opened
