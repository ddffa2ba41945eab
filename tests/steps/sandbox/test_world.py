"""The academy itself: deterministic, awkward where life is, and the same seen from any day."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.sandbox.records import World
from steps.sandbox.scenarios import SPECIAL
from steps.sandbox.world import build_world

WORLD = build_world(clients=90)
DAYS = st.dates(date(2023, 10, 1), date(2025, 12, 31))


def test_the_same_seed_gives_the_same_academy_and_another_seed_another_one() -> None:
    assert build_world(seed=5) == build_world(seed=5)
    assert build_world(seed=5).invoices[0].id != build_world(seed=6).invoices[0].id


def test_a_larger_academy_holds_the_smaller_ones_documents_unchanged() -> None:
    small, large = build_world(clients=20), build_world(clients=200)

    assert {document.id for document in small.invoices} < {document.id for document in large.invoices}
    assert [d for d in large.invoices if d.id in {s.id for s in small.invoices}] == small.invoices


@pytest.mark.parametrize("clients", [0, 1, 7, 300])
def test_it_has_as_many_contacts_as_clients_were_asked_for(clients: int) -> None:
    assert len(build_world(clients=clients).contacts) == clients


def test_every_id_is_used_once() -> None:
    large = build_world(clients=1000)
    for records in (
        large.invoices + large.credit_notes,
        large.contacts,
        large.enrollments,
        large.pages,
        large.students,
    ):
        ids = [record.id for record in records]
        assert len(ids) == len(set(ids))


def test_sixty_clients_show_every_special_scenario() -> None:
    assert len(SPECIAL) <= 60
    statuses = {enrollment.educational_status for enrollment in WORLD.enrollments}
    assert statuses >= {None, "ACTIVE", "POSTPONED", "DROPPED", "SUSPENDED", "GRADUATED", "NOT_COMPLETING", "ON_HOLD"}
    assert {document.currency for document in WORLD.invoices} == {"eur", "usd"}
    assert {date(2024, 1, 1), date(2024, 12, 31), date(2023, 12, 31)} <= {d.date for d in WORLD.invoices}


def test_money_is_decimal_in_cents() -> None:
    for document in WORLD.invoices + WORLD.credit_notes:
        for amount in (document.subtotal, document.tax, document.total, document.signed_net):
            assert isinstance(amount, Decimal)
            assert amount == amount.quantize(Decimal("0.01"))


def test_credit_notes_take_away_whatever_their_sign() -> None:
    assert any(note.total < 0 for note in WORLD.credit_notes)
    assert all(note.signed_total < 0 for note in WORLD.credit_notes)


def test_the_far_future_is_the_academy_itself() -> None:
    assert WORLD.as_of(date(2199, 1, 1)) == WORLD


@settings(max_examples=40, deadline=None)
@given(DAYS, DAYS)
def test_looking_back_from_a_later_day_changes_nothing(one: date, other: date) -> None:
    """What is known on a day does not depend on when one asks."""
    early, late = sorted((one, other))
    assert WORLD.as_of(late).as_of(early) == WORLD.as_of(early)


@settings(max_examples=40, deadline=None)
@given(DAYS)
def test_nothing_of_the_future_is_known(day: date) -> None:
    seen = WORLD.as_of(day)

    assert all(document.date <= day for document in seen.invoices + seen.credit_notes)
    assert all(payment.paid_on <= day for document in seen.invoices for payment in document.payments)
    assert all(contact.created_on <= day for contact in seen.contacts)
    for enrollment in seen.enrollments:
        assert enrollment.created_on <= day
        assert enrollment.status_changed_on is None or enrollment.status_changed_on <= day
    for page in seen.pages:
        dates = [value.start for value in (page.drop_date, page.certified_at) if value]
        assert all(start <= day for start in dates)


def test_a_status_is_active_the_day_before_it_changed_and_itself_on_the_day() -> None:
    for enrollment in WORLD.enrollments:
        if enrollment.status_changed_on is None or enrollment.status_changed_on == enrollment.created_on:
            continue
        before = enrollment.as_of(enrollment.status_changed_on - timedelta(days=1))
        on_the_day = enrollment.as_of(enrollment.status_changed_on)
        assert before is not None
        assert on_the_day is not None
        assert (before.educational_status, before.updated_at) == ("ACTIVE", enrollment.created_at)
        assert (on_the_day.educational_status, on_the_day.updated_at) == (
            enrollment.educational_status,
            enrollment.updated_at,
        )


def test_enrollments_and_pages_are_known_from_the_first_document_on() -> None:
    """Otherwise a live import and a replay would see different periods (docs/accrual-rules.md, Promise 4)."""
    world: World = build_world(clients=500)
    documents = world.invoices + world.credit_notes
    first = {contact.id: min(d.date for d in documents if d.contact_id == contact.id) for contact in world.contacts}
    by_email = {(c.email or "").strip().lower(): first[c.id] for c in reversed(world.contacts)}
    known = {email for email, day in by_email.items() if email}
    for page in world.pages:
        email = (page.email or "").strip().lower()
        if email in known:
            assert page.as_of(by_email[email]) is not None
    starts = {document.date for document in documents}
    assert all(s.created_on in starts for s in world.enrollments if s.user.email.lower() in known and s.id > 70_000)


def test_a_spoiled_academy_has_the_sound_one_in_it() -> None:
    sound, spoiled = build_world(), build_world(spoiled=True)

    added = [document for document in spoiled.invoices if document not in sound.invoices]
    assert all(document in spoiled.invoices for document in sound.invoices)
    assert {"1.234,56", 0} <= {value for d in added for value in d.raw.values() if isinstance(value, str | int)}
    assert len({document.id for document in spoiled.invoices}) == len(spoiled.invoices) - 1
