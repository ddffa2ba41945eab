"""No secret in any text: what leaves the process as text (a table, a log, an answer) goes through this module first.

`redact_message()` is for what people read and has a limit; `redact()` keeps the whole text. What others say in words of
their own, such as a vendor's reason, may name a person: `redact_emails()` first. Nobody has limited what comes in here,
so each takes time that grows with the text and no faster: its patterns begin where a match can begin and never go back.
"""

import re
from collections.abc import Mapping
from typing import Any

_SECRET_NAMES = re.compile(r"(key|token|password|secret|authorization|cookie)$", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_PASSWORD_PARAMETER = re.compile(r"((?:password|passwd|pwd)=)[^\s&]++", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+")
_SHORTEST_SECRET = 4
MASK = "***"
MASKED_EMAIL = "(an email)"
LONGEST_MESSAGE = 5_000
"""Characters of a message; the middle of a longer one is left out."""
_READ = 50_000
"""Characters that are looked at, at either end of a message."""
_UNSURE = 1_000
"""Of these, how many next to the middle are not shown: a secret, an email or a URL may be cut there."""
_TAIL_SHARE = 3
"""One part in so many of a shortened message is its end, where it says what is expected."""

_secrets: tuple[str, ...] = ()
"""The longest first: one inside another leaves no tail."""


def register_secret(value: str) -> None:
    """Hide this value from now on: settings register theirs when they are read, a login the token it was given."""
    global _secrets  # noqa: PLW0603 - what a process must not show is known to all of it
    if len(value) >= _SHORTEST_SECRET and value not in _secrets:
        forms = {value, value.lower(), value.upper()}  # what is read of a record may be in other letters
        _secrets = tuple(sorted({*_secrets, *forms}, key=len, reverse=True))


def redact(text: str) -> str:
    """The text without any registered secret and without passwords in URLs."""
    for secret in _secrets:
        text = text.replace(secret, MASK)
    if "://" in text and "@" in text:
        text = _WORD.sub(_without_password, text)
    return _PASSWORD_PARAMETER.sub(rf"\1{MASK}", text) if "=" in text else text


def redact_message(text: str, longest: int = LONGEST_MESSAGE, *, emails: bool = False) -> str:
    """A message for people: without secrets, and with the middle left out if it has more characters than `longest`."""
    if len(text) <= 2 * _READ:
        head = tail = _masked(text, emails=emails)
        if len(head) <= longest:
            return head
    else:
        unsure = max(_UNSURE, max(map(len, _secrets), default=0))
        head = _masked(text[:_READ], emails=emails)[:-unsure]
        tail = _masked(text[-_READ:], emails=emails)[unsure:]
    end = longest // _TAIL_SHARE
    return f"{head[: longest - end]} ... ({len(text) - longest} characters left out) ... {tail[-end:]}"


def _masked(text: str, *, emails: bool) -> str:
    return redact_emails(redact(text)) if emails else redact(text)


def redact_emails(text: str) -> str:
    """The text without anybody's address: messages of executions are not encrypted, and Prefect keeps them too."""
    return _EMAIL.sub(MASKED_EMAIL, text) if "@" in text else text


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


def _without_password(word: re.Match[str]) -> str:
    """`postgresql://me:***@host/db`: what is between the user's colon and the last @, which a password may hold too."""
    text = word[0]
    scheme, separator, rest = text.partition("://")
    before, at, after = rest.rpartition("@")
    user, colon, _ = before.partition(":")
    return f"{scheme}{separator}{user}{colon}{MASK}{at}{after}" if colon else text
