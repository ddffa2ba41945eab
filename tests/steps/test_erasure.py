"""A person is erased: no byte of theirs is left, every cent and every close is, and no import brings them back."""

import json
import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel, col, select

from flows.cli.app import run_command
from steps.closing import Candidate, Signature, close_month, verify
from steps.erasure import erase_client
from steps.errors import UsageError
from steps.ledger.accrual import Dismissal
from steps.ledger.client import Client, ClientExternalId, Erasure, System
from steps.ledger.months import MonthWindow
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from steps.settings import SyncSettings
from tests.secret_watch import every_row
from tests.steps.calls import accrue_month
from tests.steps.year_import import import_year, written
from tracking.database import get_engine, read_session, tracking_session
from tracking.integration_errors import FoundError, record_errors
from tracking.models import ExecutionStatus, IntegrationError, SyncExecution, utc_now

pytestmark = pytest.mark.slow

MONTHS = MonthWindow(date(2024, 1, 1), date(2024, 3, 1))
LATER = date(2025, 2, 1)
PHONE = "600 11 22 33"
BY = Signature("Eva", "asked for by letter of 3 May")
KEPT = ("service_contract", "contract_accrual", "accrued_period", "closed_month", "service_period", "closing_event")


def _stored(folder: Path) -> str:
    if get_engine().dialect.name == "postgresql":
        raw = every_row(os.environ["SYNC_DATABASE_URL"])
    else:
        raw = b"\n".join(file.read_bytes() for file in sorted(folder.glob("sync.db*")) if file.is_file())
    return raw.decode("utf-8", errors="replace").lower()


def _left(words: Iterable[str], folder: Path) -> list[str]:
    content = _stored(folder)
    return [each for each in words if each.lower() in content or json.dumps(each)[1:-1].lower() in content]


def _rows(*tables: str) -> dict[str, list[Any]]:
    with get_engine().connect() as connection:
        return {each: sorted(map(repr, connection.execute(text(f"SELECT * FROM {each}")))) for each in tables}


def _amounts() -> list[Any]:
    with get_engine().connect() as connection:
        amounts = "SELECT external_id, client_id, service_contract_id, total_amount, net_amount FROM invoice"
        return sorted(map(repr, connection.execute(text(amounts))))


@pytest.fixture
def person(sandbox: SandboxServer, database: str) -> tuple[int, set[str]]:
    """A client with ids at all three vendors and a closed month, named wherever people write; and the words for it."""
    sandbox.world = build_world(clients=40, spoiled=True)
    import_year(MONTHS)
    for window in MONTHS.months():
        accrue_month(window, LATER)
    with tracking_session() as session:
        session.add(
            SyncExecution(
                step_name="accruals",
                status=ExecutionStatus.COMPLETED,
                window_start=MONTHS.start,
                window_end=date(2024, 2, 1),
            )
        )
        for error in session.scalars(select(IntegrationError)):
            error.status = "ignored"
    close_month(Candidate(MONTHS.start, LATER, SyncSettings.load()), Signature("Eva"))
    with tracking_session() as session:
        links: dict[int, dict[str, str]] = {}
        for link in session.exec(select(ClientExternalId)):
            links.setdefault(link.client_id, {})[link.system] = link.external_id
        names = [contact.name for contact in sandbox.world.contacts]
        client = next(
            each
            for each in session.exec(select(Client).order_by(col(Client.id)))
            if len(links.get(each.id or 0, {})) == len(System) and names.count(each.name) == 1
        )
        words = {client.name, client.identifier, *(each for each in links[client.id or 0].values() if len(each) > 12)}
        contract = session.connection().scalar(text(f"SELECT id FROM service_contract WHERE client_id = {client.id}"))
        reason = f"{client.name} called"
        session.add(Dismissal(contract_id=contract, until=MONTHS.start, who="Eva", reason=reason, at=utc_now()))
        failures = {"result": {"failures": [client.name]}}
        odd = f"{client.identifier.upper()} is odd"
        session.add(SyncExecution(step_name="services", status="completed", error_message=odd, details=failures))
        own, email = links[client.id or 0]["holded"], client.identifier
        found = [
            FoundError("contact", own, f"{client.name} is odd", {"id": own, "phone": PHONE}),
            FoundError("contact", "other", f"contact other took {email}", {"email": email, "phone": PHONE}),
        ]
        record_errors(session, integration="holded", operation="invoices", execution_id=None, found=found, passed=[])
        return client.id or 0, words | {PHONE}


def test_nothing_of_the_person_is_left_and_every_cent_is(
    person: tuple[int, set[str]], sandbox: SandboxServer, tmp_path: Path
) -> None:
    client_id, words = person
    assert sorted(_left(words, tmp_path)) == sorted(words)
    everything, kept, amounts = _rows(*SQLModel.metadata.tables), _rows(*KEPT), _amounts()

    preview = erase_client(str(client_id), None)

    assert _rows(*SQLModel.metadata.tables) == everything
    assert {"client", "client_external_id", "invoice", "integration_error", "dismissal", "sync_execution"} <= set(
        preview.rows
    )

    assert erase_client(str(client_id), BY) == preview

    assert _left(words, tmp_path) == []
    assert (_rows(*KEPT), _amounts()) == (kept, amounts)
    with read_session() as session:
        assert verify(session).difference is None
        (trail,) = session.exec(select(Erasure))
        assert (trail.client_id, trail.who, trail.reason, trail.changed) == (client_id, "Eva", BY.reason, preview.rows)

    again = import_year(MONTHS)
    for window in MONTHS.months():
        accrue_month(window, LATER)

    assert written(again) == {}
    assert _left(words, tmp_path) == []
    assert (_rows(*KEPT), _amounts()) == (kept, amounts)
    assert erase_client(str(client_id), BY).rows == {}


@pytest.mark.parametrize("reason", [" ", "ANA wants it", "ana@example.org wants it"])
def test_a_reason_is_needed_and_names_nobody(database: str, reason: str) -> None:
    with tracking_session() as session:
        session.add(Client(identifier="ana@example.org", name="Ana"))

    with pytest.raises(UsageError, match="must not name the person"):
        erase_client("Ana@example.org", Signature("Eva", reason))


def test_the_command_shows_first_and_refuses_while_something_is_planned(
    sqlite_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sync.db").write_bytes(sqlite_template.read_bytes())
    assert run_command(["db", "erase-client", "ana@example.org"]) == 2
    assert "there is no such client" in capsys.readouterr().err
    with tracking_session() as session:
        session.add(Client(identifier="ana@example.org", name="Ana"))

    assert run_command(["db", "erase-client", "ana@example.org"]) == 0
    assert capsys.readouterr().out == "Client 1: 1 row of client. Nothing was changed: --reason TEXT erases.\n"
    with tracking_session() as session:
        session.add(SyncExecution(step_name="services"))
    assert run_command(["db", "erase-client", "1", "--reason", "a letter"]) == 2
    assert "is at work or planned" in capsys.readouterr().err
    with tracking_session() as session:
        session.connection().execute(text("UPDATE sync_execution SET status = 'completed'"))

    assert run_command(["db", "erase-client", "1", "--reason", "a letter"]) == 0

    assert capsys.readouterr().out == "Client 1: 1 row of client. Erased.\n"
    assert _left(["ana@example.org"], tmp_path) == []
