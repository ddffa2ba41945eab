"""Knows the secrets of the tests, and looks for them in whatever it is shown; `watched.py` shows it everything."""

import base64
from collections.abc import Mapping
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from steps.sandbox import fourgeeks, holded, notion
from tracking import redaction
from tracking.encryption import KEY_BYTES

_NAMES = ("KEY", "TOKEN", "PASSWORD")
"""How variables that hold a secret end."""
_SHORTEST = 8
"""Shorter ones cannot be told from ordinary words."""
_MASK = "<a secret>"
_ENVIRONMENT_FILE = ".env"
"""Where secrets belong."""


class SecretWatch:
    """Knows secrets, and looks for them."""

    def __init__(self) -> None:
        self._secrets = {holded.API_KEY, fourgeeks.PASSWORD, notion.TOKEN}
        self._found: list[str] = []
        self._unread: list[tuple[str, bytes]] = []

    def learn(self, variables: Mapping[str, str]) -> None:
        """Remember the secrets among these variables, and those that the redaction knows."""
        given = (value for name, value in variables.items() if name.endswith(_NAMES))
        parts = (part.strip() for value in (*given, *redaction._secrets) for part in value.split(","))
        self._secrets.update(part for part in parts if len(part) >= _SHORTEST)

    def look_at(self, where: str, content: str | bytes) -> None:
        """Search this when the test is over, and all its secrets are known."""
        self._unread.append((where, content.encode() if isinstance(content, str) else content))

    def look_at_files(self, folder: Path) -> None:
        """Search every file below this folder, now."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.name != _ENVIRONMENT_FILE:
                self._search(path.relative_to(folder).as_posix(), path.read_bytes())

    def look_at_postgresql(self, url: str) -> None:
        """Search every row of this database, now."""
        self._search("the database", every_row(url))

    def findings(self) -> list[str]:
        """Where secrets were found since the last time; secrets that no other test has are forgotten."""
        for where, content in self._unread:
            self._search(where, content)
        found, self._found, self._unread = self._found, [], []
        self._secrets = {secret for secret in self._secrets if not _is_made_up(secret)}
        return found

    def mask(self, text: str) -> str:
        """The text without any secret."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def _search(self, where: str, content: bytes) -> None:
        if any(secret.encode() in content for secret in self._secrets):
            self._found.append(where)


def every_row(url: str) -> bytes:
    """All rows of all tables of a PostgreSQL database, as text."""
    address = make_url(url).set(drivername="postgresql")
    with psycopg.connect(address.render_as_string(hide_password=False)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = " UNION ALL ".join(f'SELECT t::text FROM "{name}" AS t' for (name,) in tables)
        return "\n".join(row for (row,) in connection.execute(rows.encode())).encode()


def _is_made_up(secret: str) -> bool:
    """Whether it is an encryption key: each test makes its own."""
    try:
        return len(base64.urlsafe_b64decode(secret)) == KEY_BYTES
    except ValueError:
        return False


WATCH = SecretWatch()
"""Of this process."""
