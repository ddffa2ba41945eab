"""Promise 4 on the sandbox's 2024: importing the year and then accruing it posts what living it month by month posts.

Live means: each month the world as it was on its last day is imported, and then accrued.
"""

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


def replayed(sandbox: SandboxServer) -> set[Posting]:
    sandbox.world = build_world()
    import_year()
    for month in YEAR.months():
        process_accruals(month)
    return postings()


def lived(sandbox: SandboxServer) -> set[Posting]:
    whole = build_world()
    for month in YEAR.months():
        sandbox.world = whole.as_of(last_of_month(month.start))
        import_year(month)
        process_accruals(month)
    return postings()


def test_promise_4_a_year_replayed_posts_what_a_year_lived_posts(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replay = replayed(sandbox)
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path / 'lived.db'}")
    live = lived(sandbox)

    assert len(replay) > 150
    assert replay == live
