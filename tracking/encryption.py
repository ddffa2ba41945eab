"""Names, emails and vendors' records encrypted at rest, when `SYNC_ENCRYPTION_KEY` is set.

Free text is sealed with AES-GCM: the same text never looks the same twice. What must be found by its value (a client's
email) is sealed with AES-SIV, whose nonce is a keyed hash of the text: equal texts stay equal, so that the database can
look them up and keep them unique, and nobody without the key can tell which they are.

A sealed text is `enc1:KEY-ID:BASE64`. Any other text is read as it is: there is no key, or it was written before there
was one. Without a key, a text that itself begins with `enc1:` is stored as `enc1::TEXT` (no key has an empty id), so a
name that looks sealed is a name.
"""

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tracking.errors import DatabaseUnusableError
from tracking.redaction import register_secret
from tracking.settings import ENV_FILE, DatabaseSettings

MARK = "enc1:"
_PLAIN_MARK = f"{MARK}:"
"""Before a text that begins with the mark and is not sealed."""
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
        """Names the key without telling it."""
        return hashlib.sha256(self._derive("id", KEY_BYTES)).hexdigest()[:8]

    @cached_property
    def _free(self) -> AESGCM:
        return AESGCM(self._derive("free text", KEY_BYTES))

    @cached_property
    def _findable(self) -> AESSIV:
        return AESSIV(self._derive("findable text", 2 * KEY_BYTES))

    def seal(self, text: str, *, findable: bool) -> str:
        """The text, unreadable without the key."""
        plain = text.encode()
        if findable:
            sealed = b"\0" + self._findable.encrypt(plain, None)
        else:
            nonce = os.urandom(_NONCE_BYTES)
            sealed = b"\1" + nonce + self._free.encrypt(nonce, plain, None)
        return f"{MARK}{self.id}:{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: bytes) -> str:
        """The text again.

        Raises:
            InvalidTag: somebody changed it.
        """
        kind, body = sealed[:1], sealed[1:]
        if kind == b"\0":
            return self._findable.decrypt(body, None).decode()
        return self._free.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], None).decode()

    def _derive(self, purpose: str, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, None, f"sync-management {purpose}".encode()).derive(self.secret)


@dataclass(frozen=True)
class Keyring:
    """The keys that can be read with; the first one writes. None: text is kept as it is."""

    keys: Sequence[Key] = ()

    def seal(self, text: str, *, findable: bool = False) -> str:
        """The text as it is to be stored."""
        if self.keys:
            return self.keys[0].seal(text, findable=findable)
        return f"{_PLAIN_MARK}{text}" if text.startswith(MARK) else text

    def is_sealed(self, stored: str) -> bool:
        """Whether a stored text was sealed with a key, one of these or another; else it stands for itself.

        A text that names one of these keys counts as sealed whatever else it holds. Versions before `enc1::` stored
        every text as it came, so that what only begins like a sealed one is none.
        """
        if not stored.startswith(MARK):
            return False
        key_id, _, body = stored[len(MARK) :].partition(":")
        return any(key.id == key_id for key in self.keys) or (
            _KEY_ID.fullmatch(key_id) is not None and _is_sealing(body)
        )

    def open(self, stored: str) -> str:
        """The text that was stored.

        Raises:
            DatabaseUnusableError: it was sealed with a key that is not here, or changed since.
        """
        if not self.is_sealed(stored):
            return stored.removeprefix(_PLAIN_MARK)
        key_id, _, body = stored[len(MARK) :].partition(":")
        key = next((each for each in self.keys if each.id == key_id), None)
        if key is None:
            raise DatabaseUnusableError(
                f"The database holds texts sealed with key {key_id}, which SYNC_ENCRYPTION_KEY does not have: "
                "add it behind the present one, with a comma"
            )
        try:
            return key.open(base64.urlsafe_b64decode(body))
        except (InvalidTag, ValueError):
            raise DatabaseUnusableError(f"A text sealed with key {key_id} was changed behind its back") from None


def _is_sealing(body: str) -> bool:
    """Whether this is what `Key.seal` writes behind the key's id: base64 of a kind, a nonce if any, and a tag."""
    try:
        sealed = base64.b64decode(body, altchars=b"-_", validate=True)
    except ValueError:
        return False
    return sealed[:1] in {b"\0", b"\1"} and len(sealed) > _TAG_BYTES + (_NONCE_BYTES if sealed[:1] == b"\1" else 0)


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
    return _keyring_of(os.environ.get("SYNC_ENCRYPTION_KEY"), os.environ.get(ENV_FILE))


def forget_keys() -> None:
    """Read the settings again at the next use."""
    _keyring_of.cache_clear()


@lru_cache(maxsize=8)
def _keyring_of(_variable: str | None, _file: str | None) -> Keyring:
    secret = DatabaseSettings().encryption_key
    parts = [part.strip() for part in (secret.get_secret_value() if secret else "").split(",") if part.strip()]
    for part in parts:
        register_secret(part)
    keys = [_parse_key(part) for part in parts]
    if len(keys) > _MOST_KEYS:
        raise DatabaseUnusableError(
            f"SYNC_ENCRYPTION_KEY has {len(keys)} keys; one, or a new and an old one, is expected"
        )
    return Keyring(tuple(keys))


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
