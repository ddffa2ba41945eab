"""Promise 4 on the sandbox's 2024: importing the year and then accruing it posts what living it month by month posts.

Live means: each month the world as it was on its last day is imported, and then accrued.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from steps.ledger.accrual import AccruedPeriod, ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import ServiceContract
from steps.ledger.months import last_of_month
from steps.ledger.service import Service, ServicePeriod
from steps.sandbox.academy import FIRST_USER
from steps.sandbox.records import Enrollment, World
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.new_database import NewDatabase
from tests.steps.calls import process_accruals
from tests.steps.ledger_view import rows
from tests.steps.year_import import YEAR, import_year

pytestmark = pytest.mark.slow

Posting = tuple[Any, ...]
"""Email, account, cohort slug, month, amount, sessions, rule."""


def postings() -> set[Posting]:
    """Every posting, by what people know of it."""
    emails = {row["id"]: row["identifier"] for row in rows(Client)}
    accounts = {row["id"]: row["external_id"] for row in rows(Service)}
    contracts = {row["id"]: (emails[row["client_id"]], accounts[row["service_id"]]) for row in rows(ServiceContract)}
    accruals = {row["id"]: contracts[row["contract_id"]] for row in rows(ContractAccrual)}
    slugs = {row["id"]: row["external_id"] for row in rows(ServicePeriod)}
    return {
        (
            *accruals[row["contract_accrual_id"]],
            slugs.get(row["service_period_id"]),
            *(row[name] for name in ("accrual_date", "accrued_amount", "sessions_accrued", "rule")),
        )
        for row in rows(AccruedPeriod)
    }


def entered_late() -> World:
    """The academy, but that a third of its clients' enrollments came into the CRM 20 days after their kickoff."""
    world = build_world()

    def late(each: Enrollment) -> Enrollment:
        at = each.cohort.kickoff_at + timedelta(days=20)
        clients = each.user.id >= FIRST_USER and each.user.id % 3 == 0
        in_time = each.status_changed_at is None or each.status_changed_at > at
        return replace(each, created_at=at) if clients and in_time else each

    return replace(world, enrollments=list(map(late, world.enrollments)))


def replayed(sandbox: SandboxServer, world: World) -> set[Posting]:
    sandbox.world = world
    import_year()
    for month in YEAR.months():
        process_accruals(month)
    return postings()


def lived(sandbox: SandboxServer, whole: World) -> set[Posting]:
    for month in YEAR.months():
        sandbox.world = whole.as_of(last_of_month(month.start))
        import_year(month)
        process_accruals(month)
    return postings()


@pytest.mark.parametrize("new_database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True)
@pytest.mark.parametrize(
    ("academy", "method"),
    [(build_world, "prospective"), (entered_late, "prospective"), (entered_late, "catch-up")],
)
def test_promise_4_a_year_replayed_posts_what_a_year_lived_posts(
    sandbox: SandboxServer,
    new_database: NewDatabase,
    monkeypatch: pytest.MonkeyPatch,
    academy: Callable[[], World],
    method: str,
) -> None:
    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", method)
    new_database()
    replay = replayed(sandbox, academy())
    new_database()
    live = lived(sandbox, academy())

    assert len(replay) > 150
    assert replay == live
