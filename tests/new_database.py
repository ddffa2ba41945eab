"""An empty database of either kind as often as a test asks for one: for tests that draw many examples."""

from collections.abc import Callable

import pytest

NewDatabase = Callable[[], None]
"""From each call on, `SYNC_DATABASE_URL` names an empty database."""


def on_both_databases(examples: int, few: int = 2) -> pytest.MarkDecorator:
    """Give a test `new_database`, and how many `examples` to draw: all on SQLite and, in the long suite, on PostgreSQL.

    In `make test` it draws a few on PostgreSQL.
    """
    return pytest.mark.parametrize(
        ("new_database", "examples"),
        [
            pytest.param("sqlite", examples, id="sqlite"),
            pytest.param("postgresql", few, id="postgresql"),
            pytest.param("postgresql", examples, id="postgresql-long", marks=pytest.mark.long),
        ],
        indirect=["new_database"],
    )
