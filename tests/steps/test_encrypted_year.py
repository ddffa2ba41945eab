"""A whole year with a key: whoever gets hold of the database reads nobody's name and nobody's email."""

import os
from datetime import date
from pathlib import Path

import pytest
from sqlmodel import func, select

from steps.ledger.client import Client
from steps.ledger.months import MonthWindow
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.secret_watch import every_row
from tests.steps.calls import accrue_month
from tests.steps.personal import personal_texts, readable
from tests.steps.year_import import YEAR, import_year
from tracking.database import get_engine, read_session
from tracking.encryption import new_key
from tracking.models import IntegrationError

pytestmark = pytest.mark.slow

LATER = date(2025, 2, 1)
JANUARY = MonthWindow(date(2024, 1, 1), date(2024, 2, 1))


def _stored(folder: Path) -> bytes:
    """Every byte of the database: of SQLite also what is in its log and its index, of PostgreSQL every row."""
    if get_engine().dialect.name == "postgresql":
        return every_row(os.environ["SYNC_DATABASE_URL"])
    files = sorted(folder.glob("sync.db*"))
    assert {file.name for file in files} >= {"sync.db", "sync.db-wal"}
    return b"\n".join(file.read_bytes() for file in files)


@pytest.fixture
def year(sandbox: SandboxServer, database: str) -> SandboxServer:
    """The academy with records that nobody can apply among its own."""
    sandbox.world = build_world(clients=60, spoiled=True)
    return sandbox


def _work() -> None:
    import_year()
    for window in YEAR.months():
        accrue_month(window, LATER)


def test_after_a_year_nothing_personal_is_readable_without_the_key(
    year: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())

    _work()

    assert readable(year.world, _stored(tmp_path)) == []
    with read_session() as session:
        known = set(session.exec(select(Client.identifier)))
        errors = session.exec(select(func.count()).select_from(IntegrationError)).one()
    assert len(known & personal_texts(year.world)) > 50
    assert errors > 10


def test_without_a_key_the_same_search_finds_them(year: SandboxServer, tmp_path: Path) -> None:
    import_year(JANUARY)

    assert len(readable(year.world, _stored(tmp_path))) > 5
