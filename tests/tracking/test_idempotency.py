"""Keys of requests that may be sent twice: who gets one, who waits, and what a dead process leaves behind."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from tracking.database import read_session, tracking_session
from tracking.idempotency import (
    KEPT,
    IdempotencyKey,
    KeyBusyError,
    KeyReusedError,
    claim_key,
    keep_run,
    release_key,
)
from tracking.models import utc_now


def test_the_first_starts_a_run_and_the_next_get_it(database: str) -> None:
    assert claim_key("k", "march") is None
    keep_run("k", "run-1")

    assert [claim_key("k", "march") for _ in range(2)] == ["run-1", "run-1"]


def test_while_the_first_is_starting_nobody_else_is(database: str) -> None:
    claim_key("k", "march")

    with pytest.raises(KeyBusyError):
        claim_key("k", "march")


def test_a_key_stands_for_one_request(database: str) -> None:
    claim_key("k", "march")

    with pytest.raises(KeyReusedError):
        claim_key("k", "april")
    assert claim_key("another", "april") is None


def test_a_released_key_is_free(database: str) -> None:
    claim_key("k", "march")
    release_key("k")

    assert claim_key("k", "april") is None


def test_the_key_of_a_process_that_died_before_its_run_began_is_taken_over_once(database: str) -> None:
    with tracking_session() as session:
        session.add(IdempotencyKey(key="k", request="march", created_at=_ago(minutes=5)))

    assert claim_key("k", "march") is None
    with pytest.raises(KeyBusyError):
        claim_key("k", "march")


def test_old_keys_are_forgotten(database: str) -> None:
    with tracking_session() as session:
        session.add(IdempotencyKey(key="old", request="march", flow_run_id="run-0", created_at=utc_now() - 2 * KEPT))

    assert claim_key("new", "april") is None
    with read_session() as session:
        assert [row.key for row in session.exec(select(IdempotencyKey))] == ["new"]


def _ago(minutes: int) -> datetime:
    return utc_now() - timedelta(minutes=minutes)
