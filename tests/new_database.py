"""An empty database of either kind as often as a test asks for one: for tests that draw many examples."""

from collections.abc import Callable

import pytest

NewDatabase = Callable[[], None]
"""From each call on, `SYNC_DATABASE_URL` names an empty database."""


def on_both_databases(examples: int, few: int = 2) -> pytest.MarkDecorator:
    """Give a test `new_database`, and how many `examples` to draw: all of them in the long suite, on either kind.

    In `make test` it draws a third of them on SQLite and a few on PostgreSQL.
    """
    return pytest.mark.parametrize(
        ("new_database", "examples"),
        [
            pytest.param("sqlite", max(few, examples // 3), id="sqlite"),
            pytest.param("sqlite", examples, id="sqlite-long", marks=pytest.mark.long),
            pytest.param("postgresql", few, id="postgresql"),
            pytest.param("postgresql", examples, id="postgresql-long", marks=pytest.mark.long),
        ],
        indirect=["new_database"],
    )
