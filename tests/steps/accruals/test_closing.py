"""Closing freezes a month; reopening opens the later ones too; both leave a trail that is never erased."""

from datetime import date
from decimal import Decimal
from hashlib import sha256

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from steps.closing import (
    BlockerKind,
    Candidate,
    ClosingRefusedError,
    Signature,
    close_month,
    fingerprint,
    reopen_month,
    verify,
)
from steps.errors import UsageError
from steps.ledger.accrual import AccruedPeriod, ClosedMonth, ClosingEvent, last_closed_month
from tests.steps.accruals.builders import day
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tracking.database import read_session, write_session

EVA = Signature("Eva", "new invoices")


def two_months() -> Books:
    """One contract, a posting in January and one in February, ready to be closed."""
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.00")
    books.post(ana, "2024-01", "100.00")
    books.post(ana, "2024-02", "200.00")
    return books


def trail() -> list[tuple[str, str, str, str]]:
    """Month, action, who and reason of every event."""
    with read_session() as session:
        events = session.scalars(select(ClosingEvent).order_by(col(ClosingEvent.id)))
        return [(f"{e.month:%Y-%m}", e.action, e.who, e.reason) for e in events]


def last_closed() -> date | None:
    with read_session() as session:
        return last_closed_month(session)


def test_a_closed_month_keeps_who_when_why_its_roll_forward_and_a_hash(database: str) -> None:
    two_months().accrued("2024-01")

    close_month(Candidate(day("2024-01"), LATER, SETTINGS), Signature("Eva", " all there "))

    with read_session() as session:
        (row,) = session.scalars(select(ClosedMonth))
        assert (row.month, row.closed_by, row.reason) == (day("2024-01"), "Eva", "all there")
        assert row.closed_at.tzinfo is not None
        assert row.roll_forward["closed"] is True
        assert row.roll_forward["currencies"][0]["closing"] == "200.00"
        assert len(row.postings_hash) == 64
    assert trail() == [("2024-01", "closed", "Eva", "all there")]


def test_reopening_a_month_opens_the_later_ones_and_keeps_the_trail(database: str) -> None:
    books = two_months()
    books.document(None, "2024-03-01", "1.00")
    books.close("2024-01", "2024-02", "2024-03")

    opened = reopen_month(day("2024-02"), EVA)

    assert opened == [day("2024-02"), day("2024-03")]
    assert last_closed() == day("2024-01")
    assert trail() == [
        ("2024-01", "closed", "Eva", ""),
        ("2024-02", "closed", "Eva", ""),
        ("2024-03", "closed", "Eva", ""),
        ("2024-03", "reopened", "Eva", "new invoices"),
        ("2024-02", "reopened", "Eva", "new invoices"),
    ]


def test_a_reopened_month_can_be_closed_again(database: str) -> None:
    books = two_months()
    books.close("2024-01")
    reopen_month(day("2024-01"), EVA)

    books.close("2024-01")

    assert last_closed() == day("2024-01")
    assert [action for _, action, _, _ in trail()] == ["closed", "reopened", "closed"]


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_reopening_without_a_reason_is_refused(database: str, reason: str) -> None:
    two_months().close("2024-01")

    with pytest.raises(UsageError, match="needs a reason"):
        reopen_month(day("2024-01"), Signature("Eva", reason))

    assert last_closed() == day("2024-01")


def test_a_month_that_is_not_closed_cannot_be_reopened(database: str) -> None:
    two_months().close("2024-01")

    with pytest.raises(UsageError, match="2024-02 is not closed"):
        reopen_month(day("2024-02"), EVA)


def test_a_refused_closing_writes_nothing(database: str) -> None:
    two_months()

    with pytest.raises(ClosingRefusedError, match="never completed"):
        close_month(Candidate(day("2024-01"), LATER, SETTINGS), EVA)

    assert last_closed() is None
    assert trail() == []


CHANGES = {
    "amount": {"accrued_amount": Decimal("100.01")},
    "portion": {"accrual_portion": Decimal("0.500001")},
    "sessions": {"sessions_accrued": 6},
    "rule": {"rule": "row-8"},
    "currency": {"currency": "USD"},
    "month": {"accrual_date": date(2024, 2, 1)},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_posting_changed_behind_a_closed_month_is_found_and_stops_the_next_closing(
    database: str, change: dict[str, object]
) -> None:
    books = two_months()
    books.close("2024-01")
    with write_session() as session:
        # February's posting would be in the way of a moved one.
        session.execute(
            update(AccruedPeriod)
            .where(col(AccruedPeriod.accrual_date) == day("2024-02"))
            .values(accrual_date=day("2024-04"))
        )
        session.execute(update(AccruedPeriod).where(col(AccruedPeriod.accrual_date) == day("2024-01")).values(change))
    books.accrued("2024-02")

    with read_session() as session:
        changed = verify(session).difference
    assert changed is not None
    assert (changed.month, changed.how.split(" (")[0]) == (
        day("2024-01"),
        "its postings are not what it was closed with",
    )
    with pytest.raises(ClosingRefusedError, match="2024-01 was changed after it was closed") as refusal:
        close_month(Candidate(day("2024-02"), LATER, SETTINGS), EVA)
    assert BlockerKind.CHANGED in {blocker.kind for blocker in refusal.value.blockers}


def test_closed_months_that_nobody_touched_are_all_well(database: str) -> None:
    two_months().close("2024-01", "2024-02")

    with read_session() as session:
        assert verify(session).difference is None


def test_the_fingerprint_does_not_depend_on_the_order_of_the_rows(database: str) -> None:
    books = Books()
    ana, bob = books.contract("Ana"), books.contract("Bob")
    period = books.period(ana, "2024-01-01", "2024-06-30")
    posts: list[tuple[int, int | None]] = [(ana, None), (ana, period), (bob, None)]
    for month, order in (("2024-01", posts), ("2024-02", posts[::-1])):
        for contract, of in order:
            books.post(contract, month, "10.00", period=of)
    with write_session() as session:
        january = fingerprint(session, day("2024-01"))
        old = col(AccruedPeriod.accrual_date)
        session.execute(update(AccruedPeriod).where(old == day("2024-01")).values(accrual_date=day("2023-01")))
        session.execute(update(AccruedPeriod).where(old == day("2024-02")).values(accrual_date=day("2024-01")))
        assert fingerprint(session, day("2024-01")) == january


def test_the_fingerprint_is_the_same_on_both_databases(database: str) -> None:
    """Whoever moves from one database to the other keeps closed months that verify."""
    two_months()

    with read_session() as session:
        found = fingerprint(session, day("2024-01"))

    assert found == sha256(b"2024-01-01|1||100.00|EUR|0.500000|5|row-11\n").hexdigest()
