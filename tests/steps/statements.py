"""How many statements reach the database."""

from collections.abc import Iterator
from contextlib import contextmanager
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
