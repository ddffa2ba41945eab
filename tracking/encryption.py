"""Names, emails and vendors' records encrypted at rest, when `SYNC_ENCRYPTION_KEY` is set."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Dialect,
    Engine,
    String,
    Table,
    bindparam,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel, col

from tracking.redaction import register_secret
from tracking.settings import ENV_FILE, DatabaseSettings, DatabaseUnusableError

MARK = "enc1:"
_PLAIN_MARK = f"{MARK}:"
"""Before a text that begins with the mark and is not encrypted."""
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_MOST_KEYS = 2


@dataclass(frozen=True)
class Key:
    """One key of 32 bytes, and what is derived from it."""

    secret: bytes

    @cached_property
    def id(self) -> str:
        """Names the key without telling it, in texts that are bound to their column."""
        return hashlib.sha256(self._derive("bound id", KEY_BYTES)).hexdigest()[:8]

    @cached_property
    def unbound_id(self) -> str:
        """Names it in texts of earlier versions, which would be read in any column."""
        return hashlib.sha256(self._derive("id", KEY_BYTES)).hexdigest()[:8]

    @cached_property
    def _free(self) -> AESGCM:
        return AESGCM(self._derive("free text", KEY_BYTES))

    @cached_property
    def _findable(self) -> AESSIV:
        return AESSIV(self._derive("findable text", 2 * KEY_BYTES))

    def encrypt(self, text: str, column: str, *, deterministic: bool) -> str:
        """The text, unreadable without the key, and in another column than `table.column` unreadable at all."""
        plain, bound = text.encode(), column.encode()
        if deterministic:
            encrypted = b"\0" + self._findable.encrypt(plain, [bound])
        else:
            nonce = os.urandom(_NONCE_BYTES)
            encrypted = b"\1" + nonce + self._free.encrypt(nonce, plain, bound)
        return f"{MARK}{self.id}:{base64.urlsafe_b64encode(encrypted).decode()}"

    def decrypt(self, encrypted: bytes, column: str | None) -> str:
        """The text again; `column` None: of an earlier version.

        Raises:
            InvalidTag: somebody changed it, or it is another column's.
        """
        kind, body, bound = encrypted[:1], encrypted[1:], column.encode() if column else None
        if kind == b"\0":
            return self._findable.decrypt(body, [bound] if bound else None).decode()
        return self._free.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound).decode()

    def _derive(self, purpose: str, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, None, f"sync-management {purpose}".encode()).derive(self.secret)


@dataclass(frozen=True)
class Keyring:
    """The keys that can be read with; the first one writes. None: text is kept as it is."""

    keys: Sequence[Key] = ()
    reads_unbound: bool = False
    """Whether texts of earlier versions are read: only when they are encrypted again, for they fit any column."""

    def encrypt(self, text: str, column: str, *, deterministic: bool = False) -> str:
        """The text as it is to be stored in that column, named `table.column`."""
        if self.keys:
            return self.keys[0].encrypt(text, column, deterministic=deterministic)
        return f"{_PLAIN_MARK}{text}" if text.startswith(MARK) else text

    def is_encrypted(self, stored: str) -> bool:
        """Whether a stored text was encrypted with a key, one of these or another; else it stands for itself.

        A text that names one of these keys counts as encrypted whatever else it holds. Versions before `enc1::` stored
        every text as it came, so that what only begins like an encrypted one is none.
        """
        if not stored.startswith(MARK):
            return False
        key_id, _, body = stored[len(MARK) :].partition(":")
        return any(key_id in {key.id, key.unbound_id} for key in self.keys) or (
            _KEY_ID.fullmatch(key_id) is not None and _is_ciphertext(body)
        )

    def decrypt(self, stored: str, column: str) -> str:
        """The text that was stored in that column.

        Raises:
            DatabaseUnusableError: it was encrypted with a key that is not here, or changed since.
        """
        if not self.is_encrypted(stored):
            return stored.removeprefix(_PLAIN_MARK)
        key_id, _, body = stored[len(MARK) :].partition(":")
        key = next((each for each in self.keys if each.id == key_id), None)
        bound: str | None = column
        if key is None and self.reads_unbound:
            key, bound = next((each for each in self.keys if each.unbound_id == key_id), None), None
        if key is None:
            raise DatabaseUnusableError(
                f"The database holds texts encrypted with key {key_id}, which SYNC_ENCRYPTION_KEY does not have: "
                "add it behind the present one, with a comma"
            )
        try:
            return key.decrypt(base64.urlsafe_b64decode(body), bound)
        except (InvalidTag, ValueError):
            raise DatabaseUnusableError(
                f"A text of {column} encrypted with key {key_id} was changed since, or is of another column"
            ) from None


def _is_ciphertext(body: str) -> bool:
    """Whether this is what `Key.encrypt` writes behind the key's id: base64 of a kind, a nonce if any, and a tag."""
    try:
        encrypted = base64.b64decode(body, altchars=b"-_", validate=True)
    except ValueError:
        return False
    kind = encrypted[:1]
    return kind in {b"\0", b"\1"} and len(encrypted) > _TAG_BYTES + (_NONCE_BYTES if kind == b"\1" else 0)


def new_key() -> str:
    """A fresh key, as `SYNC_ENCRYPTION_KEY` takes it."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def keyring() -> Keyring:
    """The keys of `SYNC_ENCRYPTION_KEY`: none, one, or the new one and the old one.

    Every personal value asks, so the settings are read again only when the variable is another than before, or after
    `forget_keys`.

    Raises:
        DatabaseUnusableError: a key is not 32 bytes in base64, or there are more than two.
    """
    return _keyring_of(os.environ.get("SYNC_ENCRYPTION_KEY"), os.environ.get(ENV_FILE), _reads_unbound.get())


@contextmanager
def _reading_unbound() -> Iterator[None]:
    token = _reads_unbound.set(True)
    try:
        yield
    finally:
        _reads_unbound.reset(token)


# SQLAlchemy calls a column's type with the value alone, so that this cannot be a parameter.
_reads_unbound = ContextVar("reads_unbound", default=False)
"""Whether texts of before they were bound to table and column are read: only while `db encrypt` rewrites them."""


def forget_keys() -> None:
    """Read the settings again at the next use."""
    _keyring_of.cache_clear()


@lru_cache(maxsize=8)
def _keyring_of(_variable: str | None, _file: str | None, reads_unbound: bool) -> Keyring:
    secret = DatabaseSettings().encryption_key
    parts = [part.strip() for part in (secret.get_secret_value() if secret else "").split(",") if part.strip()]
    for part in parts:
        register_secret(part)
    keys = [_parse_key(part) for part in parts]
    if len(keys) > _MOST_KEYS:
        raise DatabaseUnusableError(
            f"SYNC_ENCRYPTION_KEY has {len(keys)} keys; one, or a new and an old one, is expected"
        )
    return Keyring(tuple(keys), reads_unbound)


def _parse_key(text: str) -> Key:
    try:
        secret = base64.urlsafe_b64decode(text)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise DatabaseUnusableError(
            "SYNC_ENCRYPTION_KEY is not a key: 32 bytes in base64 are expected, such as `sync-actions db key` prints"
        )
    return Key(secret)


class EncryptedText(TypeDecorator[str]):
    """Text that is only ever read back, such as a name."""

    impl = String
    cache_ok = True

    def __init__(self, column: str) -> None:
        """Args: `column` is `table.column`, which each text is bound to."""
        super().__init__()
        self.column = column

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Encrypted with the first key."""
        return None if value is None else keyring().encrypt(value, self.column)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Decrypted with whichever key encrypted it; one that is not encrypted needs no look at the settings."""
        return keyring().decrypt(value, self.column) if value is not None and value.startswith(MARK) else value


class DeterministicText(EncryptedText):
    """Text that is looked up by its value and unique, such as an email. It does not sort."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The same for the same text."""
        return None if value is None else keyring().encrypt(value, self.column, deterministic=True)


class EncryptedJson(TypeDecorator[Any]):
    """JSON that holds personal data, such as a vendor's record: encrypted as one JSON string."""

    impl = JSON
    cache_ok = True

    def __init__(self, column: str) -> None:
        """Args: `column` is `table.column`, which each value is bound to."""
        super().__init__()
        self.column = column

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Encrypted with the first key, if there is one."""
        keys = keyring()
        if value is None:
            return None
        if keys.keys:
            return keys.encrypt(json.dumps(value), self.column)
        return keys.encrypt(value, self.column) if isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Decrypted with whichever key encrypted it."""
        if not isinstance(value, str) or not value.startswith(MARK):
            return value
        keys = keyring()
        text = keys.decrypt(value, self.column)
        return json.loads(text) if keys.is_encrypted(value) else text


PERSONAL_TABLES = {"client", "invoice", "integration_error", "erasure"}
"""By name, because who only looks at the tracking has not loaded the ledger's models."""
_CHUNK = 1000


class EncryptionKeyId(SQLModel, table=True):
    """The id of the key that the database is encrypted with; no row: with none. The table has an older word for it."""

    __tablename__ = "sealing_key"

    key_id: str = Field(primary_key=True)


def require_present_key(engine: Engine) -> None:
    """Refuse to work on a database that is encrypted with another key than the present one.

    A database without personal data is simply marked with the present key.

    Raises:
        DatabaseUnusableError: one line says what to do.
    """
    present = _present_key_id()
    with engine.connect().execution_options(writer=True) as connection, connection.begin():
        encrypted_with = connection.scalar(select(col(EncryptionKeyId.key_id)))
        if encrypted_with == present:
            return
        emptiness = (text(f"SELECT 1 FROM {name} LIMIT 1") for name in PERSONAL_TABLES)  # noqa: S608 - our own names
        if not any(map(connection.scalar, emptiness)):
            _mark(connection, present)
            return
    if encrypted_with in {key.unbound_id for key in keyring().keys}:
        raise DatabaseUnusableError(
            "An earlier version encrypted the database, whose texts fit any column: run `sync-actions db encrypt` once"
        )
    if present is None:
        raise DatabaseUnusableError(f"The database is encrypted with key {encrypted_with}: set SYNC_ENCRYPTION_KEY")
    how = f"encrypted with key {encrypted_with}" if encrypted_with else "not encrypted"
    raise DatabaseUnusableError(
        f"The database is {how} and SYNC_ENCRYPTION_KEY begins with key {present}: run `sync-actions db encrypt` once "
        "(with the old key behind the new one and a comma between them, if there was one)"
    )


def require_readable(engine: Engine) -> None:
    """Refuse a database whose key is not at hand; one of the old key can be read.

    Raises:
        DatabaseUnusableError: it is encrypted with another key.
    """
    with engine.connect() as connection:
        encrypted_with = connection.scalar(select(col(EncryptionKeyId.key_id)))
    if encrypted_with not in {None, *(each for key in keyring().keys for each in (key.id, key.unbound_id))}:
        raise DatabaseUnusableError(
            f"nothing was restored: it is encrypted with key {encrypted_with}, which SYNC_ENCRYPTION_KEY does not have"
        )


def encrypt_again(engine: Engine) -> int:
    """Encrypt every personal text with the present key, in one transaction. Returns how many rows were written.

    Raises:
        DatabaseUnusableError: there is no key, or something is encrypted with a key that is not at hand.
    """
    present = _present_key_id()
    if present is None:
        raise DatabaseUnusableError("SYNC_ENCRYPTION_KEY is not set: `sync-actions db key` prints a new one")
    tables = dict(encrypted_tables())
    if {table.name for table in tables} != PERSONAL_TABLES:
        raise RuntimeError("the models of the personal tables are not all loaded")
    with _reading_unbound(), engine.connect().execution_options(writer=True) as connection, connection.begin():
        count = sum(_encrypt_table_again(connection, table, columns) for table, columns in tables.items())
        _mark(connection, present)
    overwrite_free_space(engine, PERSONAL_TABLES)
    return count


def encrypted_tables() -> Iterator[tuple[Table, list[Column[object]]]]:
    """Each table that holds personal data, and the columns that do."""
    for _, table in sorted(SQLModel.metadata.tables.items()):
        if columns := [column for column in table.columns if isinstance(column.type, EncryptedText | EncryptedJson)]:
            yield table, columns


def _encrypt_table_again(connection: Connection, table: Table, columns: Sequence[Column[object]]) -> int:
    new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in columns}
    change = update(table).where(table.c.id == bindparam("row_id")).values(new)
    names = ["row_id", *(f"new_{column.name}" for column in columns)]
    some = select(table.c.id, *columns).order_by(table.c.id).limit(_CHUNK)
    last, count = 0, 0
    while rows := connection.execute(some.where(table.c.id > last)).all():
        connection.execute(change, [dict(zip(names, row, strict=True)) for row in rows])
        last, count = rows[-1][0], count + len(rows)
    return count


def overwrite_free_space(engine: Engine, tables: Iterable[str]) -> None:
    """Rewrite the files: the old rows would otherwise stay readable in them until their place is used again.

    Raises:
        DatabaseUnusableError: somebody reads the database at this moment.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            for table in tables:
                connection.execute(text(f'VACUUM FULL "{table}"'))
            return
    raw = engine.raw_connection()
    try:
        raw.execute("VACUUM")
        ((is_busy, *_),) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()
    if is_busy:
        raise DatabaseUnusableError(
            "everything is done, but the old rows stay in the files, because another program reads the database: "
            "end it, and say the same again"
        )


def _mark(connection: Connection, key_id: str | None) -> None:
    connection.execute(delete(EncryptionKeyId))
    if key_id is not None:
        connection.execute(text("INSERT INTO sealing_key (key_id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": key_id})


def _present_key_id() -> str | None:
    keys = keyring().keys
    return keys[0].id if keys else None
