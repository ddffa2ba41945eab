"""One HTTP client for every vendor: rate limits, retries with `Retry-After`, a deadline for the whole exchange."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from threading import Timer
from typing import Any, Self

import httpx
import stamina
from pydantic import SecretStr

from steps.errors import (
    ConfigError,
    VendorAuthError,
    VendorError,
    VendorNotFoundError,
    VendorPayloadError,
    VendorRejectedError,
    VendorUnavailableError,
    VendorUnfinishedError,
)
from steps.progress import LOGGED, Progress
from steps.settings import required
from steps.vendors.parsing import TRANSIENT, Answer, CutShortError, Json
from tracking.redaction import register_secret

Throttle = Callable[[str], None]
"""Called with the vendor's name before each request; returns when the request may go out."""


def unthrottled(_vendor: str) -> None:
    """The throttle of a run that has no limits besides those of this process."""


class RateLimiter:
    """Spaces requests evenly: no burst, so that two runs in one process stay within the limit together."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def set_rate(self, per_second: float) -> None:
        """Follow the settings when they change while the process lives."""
        with self._lock:
            self._interval = 1 / per_second

    def take_turn(self, now: float) -> float:
        """Take the next free moment. Returns how many seconds after `now` (of a monotonic clock) it is."""
        with self._lock:
            turn = max(self._next, now)
            self._next = turn + self._interval
        return turn - now

    def wait(self) -> None:
        """Return when the caller's turn has come."""
        time.sleep(self.take_turn(time.monotonic()))


_limiters: dict[tuple[str, str], RateLimiter] = {}
_of_process = threading.Lock()
"""Around what threads share: several vendors are opened at once."""


def limiter_of(vendor: str, base_url: str, per_second: float) -> RateLimiter:
    """The one limiter of this vendor at this address; the latest rate counts."""
    with _of_process:
        limiter = _limiters.setdefault((vendor, base_url), RateLimiter(per_second))
    limiter.set_rate(per_second)
    return limiter


class DeadlineExceededError(Exception):
    """The exchange did not end in time."""


class Deadline:
    """The limit of the exchanges of one client, which are made one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sockets: list[socket.socket] = []
        self._exceeded = False

    @contextmanager
    def limited(self) -> Iterator[None]:
        """One exchange.

        Raises:
            DeadlineExceededError: it did not end in time; whatever the shutdown looked like to it, even as an end of
                the answer.
        """
        self._exceeded = False
        timer = Timer(self._seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if self._exceeded:
                raise DeadlineExceededError from error
            raise
        finally:
            timer.cancel()
        if self._exceeded:
            raise DeadlineExceededError

    def note_socket(self, event: str, info: Mapping[str, Any]) -> None:
        """The `trace` of each request, by which its sockets are known: a stream is the result of connecting.

        Called by the HTTP library as a request goes on, plain or with TLS.
        """
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            found = info["return_value"].get_extra_info("socket")
            self._sockets = [*(each for each in self._sockets if each.fileno() >= 0), found]

    def _shut_down(self) -> None:
        self._exceeded = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def credential(variable: str, value: SecretStr | str | None, vendor: str) -> str:
    """The value of a credential that travels in a header.

    Raises:
        ConfigError: it is not set, or holds what no header carries (a line break, a typographic quote): the
            HTTP library's own message would show it.
    """
    text = required(variable, value, vendor).strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ConfigError(f"{variable} holds characters that no credential of {vendor} has: was it copied whole?")
    register_secret(text)
    return text


def address(variable: str, value: str) -> str:
    """A base URL without its last slash.

    Raises:
        ConfigError: it is no http(s) address.
    """
    text = value.strip().rstrip("/")
    scheme, separator, rest = text.partition("://")
    if scheme not in ("http", "https") or not separator or not rest or any(character.isspace() for character in rest):
        raise ConfigError(f"{variable} is no address such as https://api.example.org/v1")
    return text


logging.getLogger("stamina").addHandler(logging.NullHandler())  # retries are progress, and not told on stderr


class TryAgainError(Exception):
    """Carries a failure that another attempt may mend through the retry loop."""

    def __init__(self, failure: VendorError, retry_after: float | None = None) -> None:
        self.failure, self.retry_after = failure, retry_after
        super().__init__(str(failure))


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a transient failure is tried again. Times in seconds."""

    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 8.0
    jitter: float = 0.5
    longest_retry_after: float = 120.0
    """Notion's waits of 40-49 s were seen, and a workspace's may exceed a minute (docs/vendors.md, Notion errors)."""
    total: float = 600.0
    """No new attempt begins later than this after the first."""

    def patience(self, error: TryAgainError, elapsed: float) -> bool | float:
        """What stamina asks after a failure: wait as usual, wait these seconds as the vendor said, or give up."""
        if error.retry_after is None:
            return elapsed < self.total
        wait = min(error.retry_after, self.longest_retry_after)
        return wait if elapsed + wait < self.total else False


@dataclass(frozen=True)
class Limits:
    """No request may hang, or fill the memory. Times in seconds."""

    connect: float = 10.0
    read: float = 60.0
    whole: float = 120.0
    """For one exchange from connecting to the last byte, so that a server that drips cannot hold a run."""
    body_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True)
class HttpRules:
    """How a connector asks: how patiently (tests give less), how fast, and who is told."""

    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    throttle: Throttle = unthrottled
    """Delays each request, besides the limits of this process."""
    progress: Progress = LOGGED


USUAL = HttpRules()


@dataclass(frozen=True)
class Site:
    """One vendor as it is to be asked."""

    vendor: str
    base_url: str
    rate: float
    advice: Mapping[int, str]
    """By status, what a person should look at when it is answered."""
    transient: frozenset[int] = TRANSIENT
    rules: HttpRules = USUAL
    repeat_unanswered: bool = True
    """Whether a request that went out and got no whole answer is sent again; reads are."""
    explain: Callable[[Answer], VendorError | None] = lambda _: None
    """The vendor's own reading of an error answer; None leaves it to the status."""
    parse_float: Callable[[str], Json] = Decimal


@dataclass(frozen=True)
class Ask:
    """One request. Its text, used in every message, is method and path, never the query."""

    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attempts: int | None = None
    """Fewer than the policy's, for a caller who has a better answer to failure than asking again."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class VendorTimeoutError(VendorUnavailableError):
    """The vendor took too long: a caller may ask for less at once."""


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that vouch for vendors, read once: each client would read them anew."""
    return httpx.create_ssl_context()


class VendorHttp:
    """Asks one vendor. Close it, or use it in a `with`."""

    def __init__(self, site: Site, auth: httpx.Auth | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._site = site
        self.one_attempt = False
        """Whether a request is sent once only, whatever the policy says."""
        self.progress = site.rules.progress
        self._limiter = limiter_of(site.vendor, site.base_url, site.rate)
        limits = site.rules.limits
        self._deadline = Deadline(limits.whole)
        with _of_process:
            trusted = _trusted()
        self._client = httpx.Client(
            base_url=site.base_url,
            auth=auth,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip, deflate", **(headers or {})},
            timeout=httpx.Timeout(limits.read, connect=limits.connect),
            verify=trusted,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def ask(self, request: Ask) -> Json:
        """The JSON of the answer, after as many attempts as the policy allows.

        Raises:
            VendorError: see `steps.errors`; the message says what was asked, the verdict, and what to do.
        """
        policy, began = self._site.rules.retry, time.monotonic()

        def patience(error: Exception) -> bool | float:
            return policy.patience(error, time.monotonic() - began) if isinstance(error, TryAgainError) else False

        try:
            for attempt in stamina.retry_context(
                on=patience,
                attempts=1 if self.one_attempt else request.attempts or policy.attempts,
                timeout=policy.total,
                wait_initial=policy.first_wait,
                wait_max=policy.longest_wait,
                wait_jitter=policy.jitter,
            ):
                if attempt.num > 1:
                    self._site.rules.progress.update(f"{self._site.vendor}: {request}: attempt {attempt.num}")
                with attempt:
                    return self._attempt(request)
        except TryAgainError as last:
            raise last.failure from last.__cause__
        raise AssertionError("stamina ends with an answer or an error")

    def _attempt(self, request: Ask) -> Json:
        """One whole exchange, parsed. What may pass by itself leaves as `TryAgainError`."""
        self._site.rules.throttle(self._site.vendor)
        self._limiter.wait()
        try:
            return self._verdict(self._exchange(request))
        except (VendorUnavailableError, CutShortError) as failure:
            if not self._site.repeat_unanswered:
                raise
            raise TryAgainError(failure) from failure.__cause__

    def _verdict(self, answer: Answer) -> Json:
        if answer.status == httpx.codes.ACCEPTED:
            verdict = (
                "202: accepted, and not done; only an answer that comes when the work is done says what came of it"
            )
            raise VendorUnfinishedError(answer.vendor, answer.request, verdict, status=answer.status)
        if answer.status == httpx.codes.PARTIAL_CONTENT:
            verdict = "206: a part of the answer, though all of it was asked for"
            raise VendorPayloadError(answer.vendor, answer.request, verdict, status=answer.status)
        if httpx.codes.is_success(answer.status):
            return answer.json(self._site.parse_float)
        failure = self._site.explain(answer) or _error_of(answer, self._site.advice, self._site.transient)
        if isinstance(failure, VendorUnavailableError):
            raise TryAgainError(failure, answer.retry_after())
        raise failure

    def _exchange(self, request: Ask) -> Answer:
        """Send and read to the last byte, within the limits.

        Raises:
            TryAgainError: no connection came about.
            VendorUnavailableError: it took too long, or the connection was dropped.
            VendorPayloadError: the answer is too large, or cannot be a vendor's.
        """
        vendor = self._site.vendor
        try:
            with (
                self._deadline.limited(),
                self._client.stream(
                    request.method,
                    request.path,
                    params=dict(request.query) or None,
                    json=request.body,
                    headers=dict(request.headers),
                    extensions={"trace": self._deadline.note_socket},
                ) as response,
            ):
                body = self._read(request, response)
                return Answer(vendor, str(request), response.status_code, response.headers, body)
        except DeadlineExceededError as error:
            verdict = f"the answer did not end within {self._site.rules.limits.whole:g} s"
            raise VendorTimeoutError(vendor, str(request), verdict) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = VendorUnavailableError(vendor, str(request), f"no connection ({error}); is the base URL right?")
            raise TryAgainError(failure) from error
        except httpx.TimeoutException as error:
            raise VendorTimeoutError(vendor, str(request), f"no answer in time ({type(error).__name__})") from error
        except httpx.DecodingError as error:
            raise CutShortError(vendor, str(request), "the compressed answer is cut short or damaged") from error
        except httpx.LocalProtocolError:  # its text may hold the header that cannot be sent, and one is the credential
            raise VendorPayloadError(vendor, str(request), "the request holds what HTTP cannot carry") from None
        except httpx.TransportError as error:
            raise VendorUnavailableError(vendor, str(request), f"the connection was dropped ({error})") from error

    def _read(self, request: Ask, response: httpx.Response) -> bytes:
        limits, body = self._site.rules.limits, bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limits.body_bytes:
                verdict = f"the answer is larger than {limits.body_bytes} bytes"
                raise VendorPayloadError(self._site.vendor, str(request), verdict, status=response.status_code)
        return bytes(body)


def _error_of(answer: Answer, advice: Mapping[int, str], transient: frozenset[int]) -> VendorError:
    """The error a status other than 2xx stands for, with what to do about it.

    `advice` says by status what a person should look at (the variable of the credential for 401); `transient` holds
    the statuses worth another try.
    """
    status, reason = answer.status, answer.reason()
    kind = VendorUnavailableError if status in transient else _BY_STATUS.get(status, VendorRejectedError)
    verdict = f"{status} ({reason})" if reason else str(status)
    todo = _REDIRECTED if status in range(300, 400) else advice.get(status)
    return kind(answer.vendor, answer.request, f"{verdict}; {todo}" if todo else verdict, status=status)


_REDIRECTED = "the vendor sends us elsewhere: check the base URL, and that it begins with https"
_BY_STATUS: dict[int, type[VendorError]] = {401: VendorAuthError, 403: VendorAuthError, 404: VendorNotFoundError}


class Connector:
    """Reads one vendor. Use it in a `with`, or close it."""

    def __init__(self, http: VendorHttp) -> None:
        self._http = http
        self._progress = http.progress

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def one_attempt(self) -> Iterator[None]:
        """Inside the block no request is tried again: the vendor seems to be down, and this is to see whether."""
        self._http.one_attempt = True
        try:
            yield
        finally:
            self._http.one_attempt = False

    def close(self) -> None:
        """Let the connections go; what was learned of the vendor, such as a token, stays for the next connector."""
        self._http.close()
