"""A close can be worked out again: what was changed, removed or put in since is found, and how."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from steps.closing import (
    Candidate,
    Signature,
    _digest,
    _proof,
    close_month,
    find_close,
    fingerprint,
    reopen_month,
    verify,
)
from steps.errors import SyncError, UsageError
from steps.ledger.accrual import ClosedMonth, ClosingAction, ClosingEvent
from tests.new_database import NewDatabase, on_both_databases
from tests.steps.accruals.builders import day
from tests.steps.accruals.database_ledger import execute
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tests.steps.ledger_view import rows
from tracking.database import read_session, write_session

MONTHS = ("2024-01", "2024-02", "2024-03")


def three_months() -> Books:
    """One contract with a posting in each of three months, none closed."""
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.00")
    for month in MONTHS:
        books.post(ana, month, "100.00")
    return books


def difference() -> tuple[str, str] | None:
    """Month and how."""
    with read_session() as session:
        found = verify(session).difference
    return None if found is None else (f"{found.month:%Y-%m}", found.how)


def hashes() -> list[str]:
    with read_session() as session:
        return [close.hash for close in verify(session).closes]


def work_out_anew(month: str, *, with_trail: bool) -> None:
    """What somebody does who knows how a hash is made: all parts of a close from what is there now."""
    with write_session() as session:
        closes = session.scalars(select(ClosedMonth).order_by(col(ClosedMonth.month))).all()
        previous = ""
        for close in closes:
            if close.month == day(month) or (with_trail and close.month > day(month)):
                close.postings_hash = fingerprint(session, close.month)
                close.proof = _proof(session, close, previous)
                close.hash = _digest(close.proof)
                if with_trail:
                    events = select(ClosingEvent).where(col(ClosingEvent.month) == close.month)
                    session.scalars(events).one().hash = close.hash
            previous = close.hash


def _edit_posting() -> None:
    execute("UPDATE accrued_period SET accrued_amount = 99 WHERE accrual_date = '2024-02-01'")


def _edit_roll_forward() -> None:
    with write_session() as session:
        close = session.scalars(select(ClosedMonth).where(col(ClosedMonth.month) == day("2024-02"))).one()
        (euros,) = close.roll_forward["currencies"]
        close.roll_forward = close.roll_forward | {"currencies": [euros | {"accrued": "90.00"}]}


def _recompute() -> None:
    _edit_posting()
    work_out_anew("2024-02", with_trail=False)


CHANGES: dict[str, tuple[Callable[[], None], str]] = {
    "a posting": (
        _edit_posting,
        "its postings are not what it was closed with (posted are 99.00 EUR, its roll-forward says 100.00 EUR)",
    ),
    "a roll-forward": (
        _edit_roll_forward,
        "its roll-forward is not what it was closed with (posted are 100.00 EUR, its roll-forward says 90.00 EUR)",
    ),
    "a policy": (
        lambda: execute("UPDATE closed_month SET policy = '{}' WHERE month = '2024-02-01'"),
        "its policy is not what it was closed with",
    ),
    "a version": (
        lambda: execute("UPDATE closed_month SET version = '9.9' WHERE month = '2024-02-01'"),
        "the program's version is not what it was closed with",
    ),
    "a removed close": (
        lambda: execute("DELETE FROM closed_month WHERE month = '2024-02-01'"),
        f"its close was removed: Eva on {datetime.now(UTC):%Y-%m-%d} closed it, and nobody reopened it",
    ),
    "the last close, removed": (lambda: execute("DELETE FROM closed_month WHERE month = '2024-03-01'"), "removed"),
    "a hash worked out anew": (_recompute, "the trail of closings has"),
    "a hash without a trail": (lambda: execute("DELETE FROM closing_event WHERE month = '2024-02-01'"), "no closing"),
    "a blanked hash": (lambda: execute("UPDATE closed_month SET hash = '' WHERE month = '2024-02-01'"), "is none"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_behind_a_close_is_found_with_month_and_how(database: str, change: str) -> None:
    three_months().close(*MONTHS)
    assert difference() is None
    do, how = CHANGES[change]

    do()

    found = difference()
    assert found is not None
    assert found[0] == ("2024-03" if "last" in change else "2024-02")
    assert how in found[1]


def test_a_close_and_its_trail_worked_out_anew_break_the_next_one(database: str) -> None:
    three_months().close(*MONTHS)
    _edit_posting()
    work_out_anew("2024-02", with_trail=False)
    with write_session() as session:
        (close,) = session.scalars(select(ClosedMonth).where(col(ClosedMonth.month) == day("2024-02")))
        session.scalars(select(ClosingEvent).where(col(ClosingEvent.month) == day("2024-02"))).one().hash = close.hash

    assert difference() == ("2024-03", "the close before it is not what it was closed with")


def test_what_was_worked_out_anew_to_its_end_is_found_by_a_hash_that_was_kept_elsewhere(database: str) -> None:
    three_months().close(*MONTHS)
    kept = hashes()
    _edit_posting()
    work_out_anew("2024-02", with_trail=True)
    assert difference() is None, "nothing in the ledger can tell"

    with read_session() as session:
        found = verify(session)
        assert find_close(session, found, kept[0]) == "The hash expected is that of 2024-01, which Eva closed."
        with pytest.raises(SyncError, match=f"no close has the hash {kept[2]}: .* removed or changed"):
            find_close(session, found, f" {kept[2].upper()} ")


def test_a_kept_hash_of_a_month_that_was_reopened_says_who_reopened_it(database: str) -> None:
    books = three_months()
    books.close("2024-01", "2024-02")
    kept = hashes()[1]
    reopen_month(day("2024-02"), Signature("Ana", "a late invoice"))
    books.close("2024-02")

    assert difference() is None
    with read_session() as session:
        found = verify(session)
        assert "2024-02" in find_close(session, found, kept), "nothing has changed: it is the same close again"
        with pytest.raises(SyncError, match="no close has the hash"):
            find_close(session, found, f"{kept[:-1]}{'0' if kept[-1] != '0' else '1'}")
        with pytest.raises(UsageError, match="'abc' is no hash of a close: 64 hexadecimal digits"):
            find_close(session, found, "abc")


def test_a_reopened_month_is_known_by_its_old_hash_as_reopened(database: str) -> None:
    three_months().close("2024-01")
    kept = hashes()[0]
    reopen_month(day("2024-01"), Signature("Ana", "a late invoice"))

    assert difference() is None
    with read_session() as session, pytest.raises(SyncError, match="was the hash of 2024-01: Ana reopened it since"):
        find_close(session, verify(session), kept)


def test_each_close_builds_on_the_one_before_and_keeps_policy_and_version(database: str) -> None:
    three_months().close(*MONTHS)

    stored = rows(ClosedMonth)
    assert [row["proof"]["previous"] for row in stored] == ["", stored[0]["hash"], stored[1]["hash"]]
    assert all(row["policy"] == SETTINGS.policy and row["version"] for row in stored)
    assert [event["hash"] for event in rows(ClosingEvent)] == [row["hash"] for row in stored]


def test_a_close_of_an_older_version_is_compared_by_its_postings_and_goes_before_new_ones(database: str) -> None:
    books = three_months()
    with write_session() as session:
        session.add(ClosingEvent(month=day("2024-01"), action=ClosingAction.CLOSED, who="Eva"))
        old = fingerprint(session, day("2024-01"), with_currency=False)
        frozen: dict[str, Any] = {
            "month": "2024-01-01",
            "closed": True,
            "currencies": [
                {"currency": "EUR", "opening": "0.00", "late": "0.00", "invoiced": "300.00", "credited": "0.00"}
                | {"accrued": "100.00", "closing": "200.00", "unlinked": "0.00", "documents_to_date": "300.00"}
            ],
        }
        session.add(ClosedMonth(month=day("2024-01"), closed_by="Eva", roll_forward=frozen, postings_hash=old))
    books.close("2024-02")
    assert difference() is None

    execute("UPDATE accrued_period SET accrued_amount = 99 WHERE accrual_date = '2024-01-01'")

    assert difference() == (
        "2024-01",
        "its postings are not what it was closed with (posted are 99.00 EUR, its roll-forward says 100.00 EUR)",
    )


EDITS = (
    "UPDATE accrued_period SET accrued_amount = accrued_amount + 1 WHERE accrual_date = :month",
    "UPDATE accrued_period SET rule = 'row-9' WHERE accrual_date = :month",
    "UPDATE accrued_period SET currency = 'USD' WHERE accrual_date = :month",
    "UPDATE accrued_period SET service_period_id = 1 WHERE accrual_date = :month",
    "DELETE FROM accrued_period WHERE accrual_date = :month",
    "DELETE FROM closed_month WHERE month = :month",
    "UPDATE closed_month SET policy = '{}' WHERE month = :month",
    "UPDATE closed_month SET roll_forward = '{}' WHERE month = :month",
    "UPDATE closed_month SET hash = postings_hash WHERE month = :month",
    "UPDATE closing_event SET action = 'reopened' WHERE month = :month",
)


@pytest.mark.slow
@on_both_databases(examples=25)
def test_whatever_was_closed_and_reopened_verifies_and_any_edit_does_not(
    new_database: NewDatabase, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        reopened=st.lists(st.sampled_from(MONTHS), max_size=3),
        edit=st.sampled_from(EDITS),
        where=st.sampled_from(MONTHS),
    )
    def check(reopened: list[str], edit: str, where: str) -> None:
        new_database()
        books = three_months()
        books.period(1, "2024-01-01", "2024-06-30")
        books.accrued(*MONTHS)
        _close(MONTHS)
        for month in reopened:
            reopen_month(day(month), Signature("Ana", "a late invoice"))
            assert difference() is None
            _close([each for each in MONTHS if each >= month])
        assert difference() is None

        execute(edit, month=f"{where}-01")

        found = difference()
        assert found is not None
        assert found[0] == where

    check()


def _close(months: Any) -> None:
    for month in months:
        close_month(Candidate(day(month), LATER, SETTINGS), Signature("Eva"))
