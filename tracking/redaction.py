"""No secret shown: what leaves the process as text (a table, a log, an answer) goes through `redact()` first.

What others say in words of their own, such as a vendor's reason, may name a person: `redact_emails()` first.
"""

import re
from collections.abc import Mapping
from typing import Any

_SECRET_NAMES = re.compile(r"(key|token|password|secret|authorization|cookie)$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?P<before>\w[\w+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_SHORTEST_SECRET = 4
MASK = "***"
MASKED_EMAIL = "(an email)"

_registered: set[str] = set()


def register_secret(value: str) -> None:
    """Hide this value from now on: settings register theirs when they are read, a login the token it was given."""
    if len(value) >= _SHORTEST_SECRET:
        _registered.add(value)


def redact(text: str) -> str:
    """The text without any registered secret and without passwords in URLs."""
    for secret in sorted(_registered, key=len, reverse=True):  # longest first: one inside another leaves no tail
        text = text.replace(secret, MASK)
    return _URL_PASSWORD.sub(rf"\g<before>{MASK}", text)


def redact_emails(text: str) -> str:
    """The text without anybody's address: messages of executions are not sealed, and Prefect keeps them too."""
    return _EMAIL.sub(MASKED_EMAIL, text)


def redact_json(value: Any) -> Any:
    """A copy of JSON-like data without secrets, whether by key name or by value."""
    if isinstance(value, Mapping):
        return {
            str(key): MASK if _SECRET_NAMES.search(str(key)) and isinstance(item, str) else redact_json(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    return redact(value) if isinstance(value, str) else value
