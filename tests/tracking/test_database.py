"""The database of either kind: migrations, sessions, refusals."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text
from sqlalchemy.exc import StatementError
from sqlmodel import Session, SQLModel, col

import steps.ledger
import tracking
import tracking.migrations
from steps.ledger.accrual import ContractAccrual
from steps.ledger.client import Client
from steps.ledger.contract import ServiceContract
from steps.ledger.service import Service
from tracking.database import (
    dispose_engines,
    get_engine,
    parse_database_url,
    read_session,
    schema_revisions,
    write_session,
)
from tracking.locks import run_lock
from tracking.models import SyncExecution
from tracking.settings import DatabaseUnusableError


def _load_all_models() -> None:
    """Every table of every module, so that none is compared without its model."""
    for package in (steps.ledger, tracking):
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            if not module.ispkg:
                import_module(module.name)


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection", "ignore:autogenerate skipping metadata-specified")
def test_the_migrations_make_exactly_the_tables_of_the_models(database: str) -> None:
    _load_all_models()
    with get_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        differences = [d for d in compare_metadata(context, SQLModel.metadata) if not _is_known_blind_spot(d)]

    assert differences == []


def _is_known_blind_spot(difference: object) -> bool:
    """Expression indexes cannot be reflected on SQLite; their effect is tested in the accruals."""
    return "uq_accrued_period" in repr(difference)


def test_the_files_of_the_migrations_tell_their_revisions_in_order() -> None:
    """Commands compare the database's revision with these names, and do not load Alembic for that."""
    newest_first = ScriptDirectory(tracking.migrations.__path__[0]).walk_revisions()

    assert schema_revisions() == tuple(reversed([script.revision for script in newest_first]))


def test_a_database_of_a_newer_version_is_refused_with_one_line(database: str) -> None:
    with get_engine().begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    dispose_engines()

    with pytest.raises(DatabaseUnusableError, match="'9999', which a newer version") as refusal:
        get_engine()

    assert "\n" not in str(refusal.value)


def test_a_failed_write_leaves_nothing(database: str) -> None:
    with pytest.raises(RuntimeError, match="pulled the plug"):
        _write_a_client_and_fail()

    with read_session() as session:
        assert session.scalars(select(Client)).all() == []


def _write_a_client_and_fail() -> None:
    with write_session() as session:
        session.add(Client(identifier="ana@example.org"))
        session.flush()
        raise RuntimeError("pulled the plug")


def test_money_comes_back_to_the_cent_and_times_come_back_aware(database: str) -> None:
    largest = Decimal("999999999999.99")
    at = datetime(2024, 3, 1, 12, tzinfo=UTC)
    with write_session() as session:
        service = Service(external_id="s", name="S")
        client = Client(identifier="a@b.es")
        session.add_all([service, client, SyncExecution(step_name="services", started_at=at)])
        session.flush()
        contract = _contract(service, client, largest)
        session.add(contract)
        session.flush()
        session.add(ContractAccrual(contract_id=contract.id or 0, accrued_amount=Decimal("0.10")))

    with read_session() as session:
        assert session.scalar(select(col(ServiceContract.contract_amount))) == largest
        assert session.scalar(select(col(ContractAccrual.accrued_amount))) == Decimal("0.10")
        assert session.scalar(select(col(SyncExecution.started_at))) == at


def _contract(service: Service, client: Client, amount: Decimal) -> ServiceContract:
    return ServiceContract(
        service_id=service.id or 0,
        client_id=client.id or 0,
        contract_date=datetime(2024, 1, 1, tzinfo=UTC).date(),
        contract_amount=amount,
        contract_currency="EUR",
    )


def test_an_amount_with_more_than_two_decimals_is_never_rounded_silently(database: str) -> None:
    with pytest.raises(StatementError, match="more than 2 decimals"), write_session() as session:
        session.execute(insert(ContractAccrual).values(contract_id=1, accrued_amount=Decimal("0.001")))


@pytest.mark.parametrize("url", ["mysql://x/y", "sync.db", ""])
def test_another_database_is_refused_with_a_line_that_says_what_is_allowed(url: str) -> None:
    with pytest.raises(DatabaseUnusableError, match="sqlite:///FILE or postgresql://"):
        parse_database_url(url)


def test_a_password_in_a_refused_url_is_not_shown() -> None:
    with pytest.raises(DatabaseUnusableError) as refusal:
        parse_database_url("mysql://me:hunter2@host/db")

    assert "hunter2" not in str(refusal.value)


def test_only_its_owner_can_read_a_new_sqlite_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path}/new/sync.db")
    before = os.umask(0)
    try:
        with run_lock("run-1"), write_session() as session:
            session.add(SyncExecution(step_name="services"))
            session.flush()
            paths = (tmp_path / "new", *(tmp_path / "new").rglob("*"))
            found = {path.name: oct(path.stat().st_mode & 0o777) for path in paths}
    finally:
        os.umask(before)

    assert found == {
        "new": "0o700",
        "sync.db": "0o600",
        "sync.db-wal": "0o600",
        "sync.db-shm": "0o600",
        "sync.db.locks": "0o700",
        "run-1.lock": "0o600",
    }


def test_a_database_in_use_by_another_session_is_read_while_it_is_written(database: str) -> None:
    with write_session() as writer:
        writer.add(Client(identifier="ana@example.org"))
        writer.flush()
        with Session(get_engine()) as reader:
            assert reader.scalars(select(Client)).all() == []
