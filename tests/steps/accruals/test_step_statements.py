"""A chunk takes the same statements whether it holds few contracts or many (issue: speed and memory)."""

from tests.steps.accruals.builders import period
from tests.steps.accruals.database_ledger import DROPPED, Stored, accrue, store
from tests.steps.statements import counting_statements

BACKWARDS = period("2024-03-09", "2024-03-01", number=7)


def _academy(first: int, last: int) -> list[Stored]:
    """Of each three contracts one goes on, one is dropped and one has bad data."""
    stories = [Stored(periods=(period("2024-01-08", "2024-06-30"),)), Stored(periods=(DROPPED,))]
    stories.append(Stored(periods=(BACKWARDS,)))
    return [Stored(number, periods=stories[number % 3].periods) for number in range(first, last)]


def _statements(month: str) -> list[str]:
    with counting_statements() as statements:
        accrue(month, chunk_size=1000)
    return [statement.split("(")[0][:40] for statement in statements]


def test_a_hundred_times_the_contracts_take_the_same_statements(database: str) -> None:
    store(*_academy(1, 4))
    few = _statements("2024-03")
    store(*_academy(4, 301))

    many = _statements("2024-04")

    # New states are asked for their ids, and there are new errors beside those met again.
    assert len(many) <= len(few) + 3, (few, many)
    # Five are the month's look at its import, whatever the number of contracts (steps/accruals/gate.py).
    assert len(many) <= 22 + 5, many
