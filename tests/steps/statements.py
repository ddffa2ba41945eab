"""How many statements reach the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from tracking.database import get_engine


@contextmanager
def counting_statements() -> Iterator[list[str]]:
    """Every statement that reaches the database inside the block, but those of the transaction itself."""
    seen: list[str] = []

    def _note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    engine = get_engine()
    event.listen(engine, "before_cursor_execute", _note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", _note)
