"""Promise 4 on the sandbox's 2024: importing the year and then accruing it posts what living it month by month posts.

Live means: each month the world as it was on its last day is imported, and then accrued.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from steps.domain.accrual import AccruedPeriod, ContractAccrual
from steps.domain.client import Client
from steps.domain.contract import ServiceContract
from steps.domain.months import last_of_month
from steps.domain.period import ServicePeriod
from steps.domain.service import Service
from steps.process_accruals import process_accruals
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.steps.ledger_view import rows
from tests.steps.year_import import YEAR, import_year

Contract = tuple[str, str]
"""Email and account."""


@dataclass(frozen=True)
class Books:
    """What one way of importing and accruing left in the ledger."""

    postings: dict[Contract, set[tuple[Any, ...]]]
    """Slug, month, amount, sessions, rule."""
    enrollments: dict[Contract, set[str]]
    """The cohorts of its periods."""


def books() -> Books:
    emails = {row["id"]: row["identifier"] for row in rows(Client)}
    accounts = {row["id"]: row["external_id"] for row in rows(Service)}
    contracts = {row["id"]: (emails[row["client_id"]], accounts[row["service_id"]]) for row in rows(ServiceContract)}
    accruals = {row["id"]: contracts[row["contract_id"]] for row in rows(ContractAccrual)}
    slugs = {row["id"]: row["external_id"] for row in rows(ServicePeriod)}
    found = Books(defaultdict(set), defaultdict(set))
    for row in rows(AccruedPeriod):
        told = (row[name] for name in ("accrual_date", "accrued_amount", "sessions_accrued", "rule"))
        found.postings[accruals[row["contract_accrual_id"]]].add((slugs.get(row["service_period_id"]), *told))
    for row in rows(ServicePeriod):
        found.enrollments[contracts[row["contract_id"]]].add(row["external_id"])
    return found


def replayed(sandbox: SandboxServer) -> Books:
    sandbox.world = build_world()
    import_year()
    for month in YEAR.months():
        process_accruals(month)
    return books()


def lived(sandbox: SandboxServer) -> Books:
    whole = build_world()
    for month in YEAR.months():
        sandbox.world = whole.as_of(last_of_month(month.start))
        import_year(month)
        process_accruals(month)
    return books()


def test_promise_4_a_year_replayed_posts_what_a_year_lived_posts(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One enrollment is not the same in both ledgers, and so are its two contracts, which the promise excepts.

    Its client bought two services of one type, the second after the enrollment was first seen. Live it goes to the
    only contract there is, and stays; a replay knows both, and the second one lies nearer to the kickoff.
    """
    replay = replayed(sandbox)
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path / 'lived.db'}")
    live = lived(sandbox)

    contracts = replay.postings.keys() | live.postings.keys()
    elsewhere = {each for each in contracts if replay.enrollments[each] != live.enrollments[each]}
    assert len(elsewhere) == 2
    assert len({email for email, _ in elsewhere}) == 1
    assert len(contracts) > 50
    for contract in contracts - elsewhere:
        assert replay.postings[contract] == live.postings[contract], contract
