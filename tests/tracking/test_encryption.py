"""With a key, no personal text is readable in the database, and everything works as without one."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

import steps.ledger.contract  # noqa: F401 - the personal tables make themselves known
from steps.ledger.client import Client
from tracking.database import dispose_engines, get_engine, make_engine, parse_database_url, read_session, write_session
from tracking.encryption import (
    MARK,
    PERSONAL_TABLES,
    DeterministicText,
    EncryptedJson,
    EncryptedText,
    Key,
    Keyring,
    encrypt_again,
    encrypted_tables,
    keyring,
    new_key,
)
from tracking.models import IntegrationError
from tracking.settings import DatabaseSettings, DatabaseUnusableError

ANA = "ana.muñoz@example.org"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    value = new_key()
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", value)
    return value


def _add_ana() -> None:
    with write_session() as session:
        session.add(Client(identifier=ANA, name="Ana Muñoz"))
        session.add(
            IntegrationError(
                integration_name="holded",
                operation="invoices",
                entity_type="contact",
                entity_external_id="c1",
                error_message="contact c1 (Ana Muñoz) has no usable email",
                error_details={"name": "Ana Muñoz", "email": ANA},
            )
        )


def _everything_stored() -> str:
    with get_engine().connect() as connection:
        tables = ("client", "integration_error")
        return " ".join(str(connection.execute(text(f"SELECT * FROM {table}")).all()) for table in tables)


def _encrypt_again() -> int:
    dispose_engines()
    engine = make_engine(parse_database_url(DatabaseSettings().database_url))
    count = encrypt_again(engine)
    engine.dispose()
    return count


def test_nothing_personal_is_readable_and_everything_is_read_back(database: str, key: str) -> None:
    _add_ana()

    assert not any(word in _everything_stored() for word in ("Ana", "Muñoz", "example.org"))
    with read_session() as session:
        client = session.exec(select(Client).where(Client.identifier == ANA)).one()
        error = session.exec(select(IntegrationError)).one()
    assert (client.identifier, client.name) == (ANA, "Ana Muñoz")
    assert error.error_details == {"name": "Ana Muñoz", "email": ANA}


def test_an_email_stays_unique(database: str, key: str) -> None:
    _add_ana()

    with pytest.raises(IntegrityError):
        _add_ana()


def test_a_name_never_looks_the_same_twice_and_an_email_always_does(key: str) -> None:
    assert keyring().encrypt("Ana", "client.name") != keyring().encrypt("Ana", "client.name")
    found = [keyring().encrypt(ANA, "client.identifier", deterministic=True) for _ in range(2)]
    assert found[0] == found[1] != keyring().encrypt(ANA, "client.name", deterministic=True)


def test_without_a_key_everything_is_plain(database: str) -> None:
    _add_ana()

    assert ANA in _everything_stored()
    assert MARK not in _everything_stored()


def test_an_existing_database_is_encrypted_by_a_command_and_refused_before(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_ana()
    dispose_engines()
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())
    with pytest.raises(DatabaseUnusableError, match=r"is not encrypted .* run `sync-actions db encrypt` once"):
        get_engine()

    assert _encrypt_again() == 2

    assert "Ana" not in _everything_stored()
    with read_session() as session:
        assert session.exec(select(Client.name)).one() == "Ana Muñoz"


def test_an_encrypted_sqlite_file_holds_no_email_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _add_ana()
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())

    _encrypt_again()

    files = sorted(tmp_path.glob("sync.db*"))
    assert files
    assert all(b"example.org" not in file.read_bytes() for file in files)


def test_a_changed_key_reads_with_the_old_one_until_all_is_encrypted_anew(
    database: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_ana()
    new = new_key()
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", f"{new},{key}")
    dispose_engines()
    with pytest.raises(DatabaseUnusableError, match="run `sync-actions db encrypt` once"):
        get_engine()

    _encrypt_again()

    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new)
    with read_session() as session:
        assert session.exec(select(Client.name).where(Client.identifier == ANA)).one() == "Ana Muñoz"


def test_an_encrypted_database_without_its_key_is_refused(
    database: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_ana()
    dispose_engines()
    monkeypatch.delenv("SYNC_ENCRYPTION_KEY")

    with pytest.raises(DatabaseUnusableError, match="set SYNC_ENCRYPTION_KEY"):
        get_engine()


def test_a_text_that_was_tampered_with_is_refused(key: str) -> None:
    encrypted = keyring().encrypt("100.00", "client.name")
    changed = encrypted[:-4] + ("AAA=" if not encrypted.endswith("AAA=") else "BBB=")

    with pytest.raises(DatabaseUnusableError, match="was changed since"):
        keyring().decrypt(changed, "client.name")


@pytest.mark.parametrize("wrong", ["short", ("wrong-key-" * 5)[:44], "a,b,c"])
def test_what_is_no_key_is_refused_and_not_shown(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", wrong)

    with pytest.raises(DatabaseUnusableError, match="SYNC_ENCRYPTION_KEY") as refusal:
        keyring()

    assert wrong not in str(refusal.value)


def test_the_personal_tables_are_those_with_encrypted_columns() -> None:
    assert {table.name for table, _ in encrypted_tables()} == PERSONAL_TABLES
    assert os.environ.get("SYNC_ENCRYPTION_KEY") is None


FOREIGN = Key(b"f" * 32)
"""Of somebody else, who wrote texts that look encrypted into the data."""
LOOKS_ENCRYPTED = [
    "enc1:",
    "enc1::",
    "enc1::enc1:x",
    "enc1:deadbeef:AAAA",
    "enc1:deadbeef",
    "enc1:deadbeef:ñ",
    FOREIGN.encrypt("Ana", "client.name", deterministic=True),
    f"enc1::{FOREIGN.encrypt('Ana', 'client.name', deterministic=False)}",
]
PERSONS = {f"{number}@example.org": name for number, name in enumerate(LOOKS_ENCRYPTED)}


def _add_persons_whose_names_look_encrypted() -> None:
    with write_session() as session:
        for email, name in PERSONS.items():
            session.add(Client(identifier=email, name=name))
            session.add(Client(identifier=f"{name}{email}", name=""))
            session.add(
                IntegrationError(
                    integration_name="holded",
                    operation="invoices",
                    entity_type="contact",
                    entity_external_id=email,
                    error_message=name,
                    error_details={"name": name},
                )
            )


def _require_all_as_written() -> None:
    with read_session() as session:
        names = dict(session.exec(select(Client.identifier, Client.name)).all())
        assert names == PERSONS | {f"{name}{email}": "" for email, name in PERSONS.items()}
        errors = session.exec(select(IntegrationError)).all()
        assert {error.entity_external_id: error.error_message for error in errors} == PERSONS
        assert {error.entity_external_id: error.error_details["name"] for error in errors} == PERSONS
        found = session.exec(select(Client).where(Client.identifier == f"{LOOKS_ENCRYPTED[3]}3@example.org")).all()
        assert len(found) == 1


def test_names_that_look_encrypted_are_read_as_written_without_a_key_with_one_and_with_the_next(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_persons_whose_names_look_encrypted()
    _require_all_as_written()

    first, second = new_key(), new_key()
    for keys in (first, f"{second},{first}"):
        monkeypatch.setenv("SYNC_ENCRYPTION_KEY", keys)
        _encrypt_again()
        dispose_engines()
        _require_all_as_written()
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", second)
    dispose_engines()
    _require_all_as_written()


def test_names_that_look_encrypted_are_read_as_written_in_a_database_that_had_a_key_from_the_start(
    database: str, key: str
) -> None:
    _add_persons_whose_names_look_encrypted()

    _require_all_as_written()


def test_a_name_that_looks_encrypted_and_was_stored_by_an_earlier_version_is_a_name(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_ana()
    with get_engine().connect() as connection, connection.begin():
        connection.execute(text("UPDATE client SET name = 'enc1:deadbeef:AAAA'"))
        connection.execute(text("UPDATE integration_error SET error_message = 'enc1:'"))

    with read_session() as session:
        assert session.exec(select(Client.name)).one() == "enc1:deadbeef:AAAA"
        assert session.exec(select(IntegrationError.error_message)).one() == "enc1:"

    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", new_key())
    _encrypt_again()
    with read_session() as session:
        assert session.exec(select(Client.name)).one() == "enc1:deadbeef:AAAA"


_BODIES = st.one_of(
    st.text(),
    st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    st.text().map(lambda plain: FOREIGN.encrypt(plain, "client.name", deterministic=True)),
)
_MARKED = st.builds(
    "{}{}:{}".format, st.sampled_from([MARK, "enc1", "enc1::"]), st.sampled_from(["", "deadbeef", FOREIGN.id]), _BODIES
)
_JSON = st.recursive(_MARKED | st.text() | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=3))


@given(texts=st.lists(_MARKED | st.text(), min_size=1), value=_JSON, secret=st.sampled_from(["", new_key()]))
@settings(deadline=None)
def test_whatever_looks_encrypted_comes_back_as_it_went_in(texts: list[str], value: object, secret: str) -> None:
    dialect = sqlite.dialect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNC_ENCRYPTION_KEY", secret)
        stored = [EncryptedText("client.name").process_bind_param(each, dialect) for each in texts]
        assert [EncryptedText("client.name").process_result_value(each, dialect) for each in stored] == texts
        deterministic = [DeterministicText("client.name").process_bind_param(each, dialect) for each in texts]
        assert [DeterministicText("client.name").process_result_value(each, dialect) for each in deterministic] == texts
        assert [deterministic.index(each) for each in deterministic] == [texts.index(each) for each in texts]
        kept = EncryptedJson("client.name").process_bind_param(value, dialect)
        assert EncryptedJson("client.name").process_result_value(kept, dialect) == value


def test_a_text_of_another_key_is_refused_and_not_shown_as_it_is_stored() -> None:
    with pytest.raises(DatabaseUnusableError, match=f"encrypted with key {FOREIGN.id}"):
        Keyring().decrypt(FOREIGN.encrypt("Ana", "client.name", deterministic=False), "client.name")


def _unbound(plain: str, *, deterministic: bool = False) -> str:
    """As earlier versions encrypted it."""
    key, nonce = keyring().keys[0], os.urandom(12)
    free = b"\1" + nonce + key._free.encrypt(nonce, plain.encode(), None)
    encrypted = b"\0" + key._findable.encrypt(plain.encode(), None) if deterministic else free
    return f"{MARK}{key.unbound_id}:{base64.urlsafe_b64encode(encrypted).decode()}"


def _execute(statement: str, **values: str) -> None:
    with get_engine().connect() as connection, connection.begin():
        connection.execute(text(statement), values)


@pytest.mark.parametrize("source", ["identifier", "name"])
def test_a_text_that_was_put_into_another_column_is_refused(database: str, key: str, source: str) -> None:
    _add_ana()
    _execute(f"UPDATE integration_error SET error_message = (SELECT {source} FROM client)")

    with (
        pytest.raises(DatabaseUnusableError, match=r"integration_error\.error_message .* is of another column"),
        read_session() as session,
    ):
        session.exec(select(IntegrationError)).one()


def test_what_an_earlier_version_encrypted_is_bound_by_the_command_and_taken_nowhere_afterwards(
    database: str, key: str
) -> None:
    _add_ana()
    old = {"name": _unbound("Ana Muñoz"), "email": _unbound(ANA, deterministic=True), "words": _unbound("no email")}
    record = _unbound('{"email": "x"}')
    _execute("UPDATE client SET name = :name, identifier = :email", name=old["name"], email=old["email"])
    _execute(
        "UPDATE integration_error SET error_message = :words, error_details = :record",
        words=old["words"],
        record=f'"{record}"',
    )
    _execute("UPDATE sealing_key SET key_id = :id", id=keyring().keys[0].unbound_id)
    dispose_engines()
    with pytest.raises(DatabaseUnusableError, match="run `sync-actions db encrypt` once"):
        get_engine()

    assert _encrypt_again() == 2

    with read_session() as session:
        assert session.exec(select(Client.name).where(Client.identifier == ANA)).one() == "Ana Muñoz"
        error = session.exec(select(IntegrationError)).one()
        assert (error.error_message, error.error_details) == ("no email", {"email": "x"})
    _execute("UPDATE client SET name = :name", name=old["words"])
    with (
        pytest.raises(DatabaseUnusableError, match="which SYNC_ENCRYPTION_KEY does not have"),
        read_session() as session,
    ):
        session.exec(select(Client.name)).one()
