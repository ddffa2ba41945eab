"""`sync-actions db export`: every table as a file that anybody reads, whole or not at all."""

import csv
import json
import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text, update
from sqlmodel import SQLModel, col

from flows.cli.app import run_command
from steps.ledger.client import Client
from steps.ledger.contract import Invoice
from tests.steps.accruals.reports.books import Books
from tracking.database import dispose_engines, get_engine, make_engine, parse_database_url, read_session, write_session
from tracking.encryption import MARK, new_key

pytestmark = pytest.mark.slow
ODD = 'Añá "the first", = 1\r\nŁ'


def _books() -> None:
    """Two currencies, a closed month, an error, and an odd name."""
    books = Books()
    ana = books.contract("Ana")
    books.document(ana, "2024-01-10", "300.10", total="363.12")
    books.document(ana, "2024-01-20", "-0.50")
    books.post(ana, "2024-01", "100.05", period=books.period(ana, "2024-01-01", "2024-03-01"))
    books.close("2024-01")
    books.document(books.contract("Bob", currency="USD"), "2024-02-12", "99999999999.99", "USD")
    books.document(None, "2024-02-15", "5.00")
    books.error(books.executed("invoices", "2024-02"))
    with write_session() as session:
        session.execute(update(Client).where(col(Client.name) == "Ana").values(name=ODD))
        last = update(Invoice).where(col(Invoice.external_id) == "document-4")
        session.execute(last.values(original_data={"name": ODD}, invoice_number=""))


def _read(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def _about(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "tables.json").read_text("utf-8"))
    return about


def test_every_table_is_read_back_with_its_columns_rows_and_sums(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _books()
    folder = tmp_path / "open"

    assert run_command(["db", "export", str(folder)]) == 0

    said, tables = capsys.readouterr().out, _about(folder)["tables"]
    with read_session() as session:
        there = set(inspect(session.connection()).get_table_names()) - {"alembic_version"}
        assert set(tables) == there
        assert {path.name for path in folder.iterdir()} == {"tables.json", *(f"{name}.csv" for name in there)}
        for name in there:
            columns = [each["name"] for each in inspect(session.connection()).get_columns(name)]
            assert sorted(each["name"] for each in tables[name]["columns"]) == sorted(columns)
            found = _read(folder, name)
            assert len(found) == tables[name]["rows"] == session.scalar(text(f"SELECT count(*) FROM {name}"))
            for column, by_currency in tables[name]["sums"].items():
                assert by_currency == _sums(found, column)
                stored = session.scalar(text(f"SELECT sum({column}) FROM {name}")) or 0
                assert abs(Decimal(str(stored)) - sum(map(Decimal, by_currency.values()))) < Decimal("0.01")
    assert "invoice.csv: 4 rows, total_amount 367.62 EUR, total_amount 99999999999.99 USD" in said
    assert tables["accrued_period"]["sums"]["accrued_amount"] == tables["contract_accrual"]["sums"]["accrued_amount"]
    assert (folder.stat().st_mode & 0o777) == 0o700


def _sums(rows: list[dict[str, str]], column: str) -> dict[str, str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.get("currency", row.get("contract_currency", ""))] += Decimal(row[column] or "0")
    return {currency: str(total) for currency, total in sums.items()}


def test_values_are_exact_and_null_is_no_empty_text(database: str, tmp_path: Path) -> None:
    _books()
    folder = tmp_path / "open"
    assert run_command(["db", "export", str(folder)]) == 0

    assert {row["name"] for row in _read(folder, "client")} == {ODD, "Bob"}
    first, credit, _, last = _read(folder, "invoice")
    assert (first["net_amount"], first["total_amount"], credit["net_amount"]) == ("300.10", "363.12", "-0.50")
    assert (first["invoice_date"], last["invoice_number"]) == ("2024-01-10", "")
    assert json.loads(last["original_data"]) == {"name": ODD}
    line = next(each for each in (folder / "invoice.csv").read_text("utf-8").splitlines() if "document-4" in each)
    assert line.startswith('4,"document-4","invoice",,,,"","2024-02-15",,5.00,5.00,')
    (closed,) = _read(folder, "closed_month")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", closed["closed_at"])
    assert {row["holds_window"] for row in _read(folder, "sync_execution")} == {"false"}


def test_what_is_encrypted_is_read_with_the_key_and_when_somebody_says_so(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())
    _books()

    assert run_command(["db", "export", str(tmp_path / "clear"), "--decrypt"]) == 0
    monkeypatch.delenv("SYNC_ENCRYPTION_KEY")
    dispose_engines()
    assert run_command(["db", "export", str(tmp_path / "stored")]) == 0
    assert run_command(["db", "export", str(tmp_path / "refused"), "--decrypt"]) == 1

    assert "there is no SYNC_ENCRYPTION_KEY" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir() and "locks" not in path.name) == [
        "clear",
        "stored",
    ]
    assert {row["identifier"] for row in _read(tmp_path / "clear", "client")} == {"ana@example.org", "bob@example.org"}
    for row in _read(tmp_path / "stored", "client"):
        assert row["name"].startswith(MARK)
        assert row["identifier"].startswith(MARK)
    assert _about(tmp_path / "clear")["encrypted_texts"] == "decrypted"
    assert _about(tmp_path / "stored")["encrypted_texts"] == "as stored"
    assert _read(tmp_path / "clear", "accrued_period") == _read(tmp_path / "stored", "accrued_period")


def test_it_overwrites_nothing_and_leaves_nothing_half_done(
    sqlite_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())
    _books()
    (tmp_path / "there").mkdir()
    assert run_command(["db", "export", str(tmp_path / "there")]) == 1
    assert f"{tmp_path}/there is there already" in capsys.readouterr().err
    assert run_command(["db", "export", str(tmp_path / "no" / "such")]) == 1
    assert "No such file or directory" in capsys.readouterr().err

    with write_session() as session:
        session.execute(text("UPDATE integration_error SET error_message = (SELECT name FROM client LIMIT 1)"))

    assert run_command(["db", "export", str(tmp_path / "new"), "--decrypt"]) == 1
    assert "or is of another column" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_it_is_of_one_moment(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is written while it reads is not in it, in no table."""
    from tracking import open_files

    _books()
    get_engine()
    write = open_files._write

    def write_while_somebody_books(*arguments: Any, **options: Any) -> open_files.TableFile:
        made = write(*arguments, **options)
        with write_session() as session:
            session.add(Client(identifier=f"{made.file}@example.org", name="New"))
        return made

    monkeypatch.setattr(open_files, "_write", write_while_somebody_books)
    engine = make_engine(parse_database_url(database))
    made = open_files.export_tables(engine, tmp_path / "open", decrypt=False)
    engine.dispose()

    assert made["client"].rows == 2
    assert len(SQLModel.metadata.tables) == len(made)
