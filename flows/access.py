"""Whose token it is, what its role allows, how often wrong ones may be tried, and the trail of who did what.

One answer for the API and the page.
"""

import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from time import monotonic

from starlette.requests import HTTPConnection

from steps.errors import ConfigError, SyncError
from steps.settings import SyncSettings
from tracking.audit import DONE, REFUSED, AuditEvent, Door, record, record_outcome
from tracking.redaction import register_secret

SHORTEST_TOKEN = 32
"""Characters, where other machines can guess it."""
WINDOW_SECONDS = 60
MOST_WRONG = 5
"""Wrong tokens of one address within the window, before it has to wait."""
MOST_WRONG_OF_ALL = 50
"""Of all together within the window, before one wrong token makes an address wait: many that guess are slow too."""
MAIN_TOKEN = "SYNC_API_TOKEN"  # noqa: S105 - the variable's name
_OWNER = "this machine"
_NAMED_TOKEN = re.compile(rf"([\w.-]{{1,40}}):(read|operate|close):([!-+\--~]{{{SHORTEST_TOKEN},}})")
"""Any visible characters but commas."""
_log = logging.getLogger("flows.api.access")


class Role(IntEnum):
    """What a token allows; each role may do what the ones before may."""

    READ = 1
    """See and download everything."""
    OPERATE = 2
    """Run and cancel steps, decide what becomes of errors."""
    CLOSE = 3
    """Change the books: close, reopen, redo, adjust, dismiss, say what a service teaches."""

    def __str__(self) -> str:
        """As settings and people write it."""
        return self.name.lower()


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    name: str
    """Of the token, not of a person: whoever has it is believed."""
    role: Role
    door: Door
    address: str = ""

    @property
    def has_logged_in(self) -> bool:
        """Whether a token said who it is."""
        return self.name != _OWNER

    @contextmanager
    def performing(self, role: Role, action: str, asked: str) -> Iterator[None]:
        """Around what changes something: it is in the trail before it begins, and again with what came of it.

        Raises:
            ForbiddenError: the caller's role is less than this one; the block does not begin.
        """
        event = record(self._event(action, asked))
        try:
            self._require(role)
            yield
        except Exception as error:
            record_outcome(event, f"{REFUSED}: {error}")
            raise
        record_outcome(event, DONE)

    def _require(self, role: Role) -> None:
        if self.role < role:
            raise ForbiddenError(f"this needs a token of the role {role}; that of {self.name} is {self.role}")

    def _event(self, action: str, asked: str) -> AuditEvent:
        return AuditEvent(
            door=self.door, who=self.name, role=str(self.role), address=self.address, action=action, asked=asked
        )


def owner_of_this_machine(door: Door, address: str = "") -> Caller:
    """Who asks where no token is set: only this machine is served then, and its owner may do everything."""
    return Caller(_OWNER, Role.CLOSE, door, address)


class ForbiddenError(SyncError):
    """The token is right, and its role does not allow this."""


class WrongTokenError(SyncError):
    """It is nobody's token."""


class GuessingError(SyncError):
    """Too many wrong tokens came from this address: it has to wait, whatever it sends."""


class Access:
    """The tokens of the settings, and the wrong ones that were tried lately."""

    def __init__(self, settings: SyncSettings, now: Callable[[], float] = monotonic) -> None:
        """Read the tokens.

        Raises:
            ConfigError: `SYNC_API_TOKENS` is not as expected; no token is shown.
        """
        self._now = now
        self._known = {hash_of(token): named for token, named in _tokens(settings).items()}
        self._wrong: deque[tuple[float, str]] = deque()
        self._wrong_of: Counter[str] = Counter()

    @property
    def is_guarded(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._known)

    def admit(self, token: str, door: Door, address: str) -> Caller:
        """Whose token it is. One that is right is let in from every address that has not tried wrong ones.

        Raises:
            GuessingError: from this address came too many wrong ones.
            WrongTokenError: this one is wrong.
        """
        source, now = _source(address), self._now()
        while self._wrong and self._wrong[0][0] <= now - WINDOW_SECONDS:
            _, forgotten = self._wrong.popleft()
            self._wrong_of -= Counter((forgotten,))
        most = MOST_WRONG if len(self._wrong) < MOST_WRONG_OF_ALL else 1
        if self._wrong_of[source] >= most:
            raise GuessingError(f"too many wrong tokens: wait {WINDOW_SECONDS} seconds")
        known = self._known.get(hash_of(token.strip()))
        if known is None:
            self._wrong.append((now, source))
            self._wrong_of[source] += 1
            _log.warning("a wrong token from %s", address)
            raise WrongTokenError("this is nobody's token")
        return Caller(*known, door, address)

    def keep_refusal(self, door: Door, address: str) -> None:
        """Write a wrong token into the trail; of so many that they would fill the disk the log alone tells."""
        if len(self._wrong) <= MOST_WRONG_OF_ALL:
            event = AuditEvent(door=door, who="", address=address, action="log in", outcome=f"{REFUSED}: a wrong token")
            record(event)


def _tokens(settings: SyncSettings) -> dict[str, tuple[str, Role]]:
    """Token -> its name and role."""
    found = {token: (MAIN_TOKEN, Role.CLOSE)} if (token := settings.bearer_token) else {}
    named = settings.api_tokens.get_secret_value() if settings.api_tokens else ""
    for number, text in enumerate(filter(None, map(str.strip, named.split(","))), start=1):
        match = _NAMED_TOKEN.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"SYNC_API_TOKENS: number {number} is not NAME:ROLE:TOKEN, with the role read, operate or close and "
                f"a token of at least {SHORTEST_TOKEN} characters"
            )
        name, role, token = match.groups()
        register_secret(token)
        if token in found or name in {known for known, _ in found.values()}:
            raise ConfigError(f"SYNC_API_TOKENS: number {number} has a token or a name that another one has")
        found[token] = (name, Role[role.upper()])
    return found


def hash_of(secret: str) -> bytes:
    """What a token or a session is looked up by, so that the time it takes says nothing of those there are."""
    return sha256(secret.encode()).digest()


def _source(address: str) -> str:
    """Who guesses together: one IPv4 address, or the 2^64 addresses that one IPv6 subscriber has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))


def address_of(connection: HTTPConnection) -> str:
    """The client's; behind a proxy of `SYNC_TRUSTED_PROXIES` the one that it passes on."""
    return connection.client.host if connection.client else "unknown"


def is_over_tls(connection: HTTPConnection) -> bool:
    """Whether it came over HTTPS: to this server, or to a proxy that says so.

    Any proxy is believed: who lies about it gets a cookie that his own browser does not take, and a header that it does
    not heed.
    """
    return connection.url.scheme in {"https", "wss"} or connection.headers.get("x-forwarded-proto") == "https"
