"""The one way to ask a vendor: credential, rate limit, retries, limits of time and size, JSON, our errors.

Only reads go through it, and the remote backend's calls, which are safe to repeat: whole exchanges are retried.
"""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Self

import httpx
import stamina

from steps.connectors.answers import TRANSIENT, Answer, CutShortError, error_of
from steps.connectors.deadline import Deadline, DeadlineExceededError
from steps.connectors.json_value import Json
from steps.connectors.rate_limit import limiter_of, wait_for_throttle
from steps.errors import VendorError, VendorPayloadError, VendorUnavailableError, VendorUnfinishedError
from steps.progress import say

logging.getLogger("stamina").addHandler(logging.NullHandler())  # retries are told through `say`, not on stderr


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
    """Notion's waits of 40-49 s were seen, and its workspace limit may exceed a minute (vendors/notion.md)."""
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
    """How patient a connector is; tests give less."""

    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()


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
        self._limiter = limiter_of(site.vendor, site.base_url, site.rate)
        limits = site.rules.limits
        self._deadline = Deadline(limits.whole)
        self._client = httpx.Client(
            base_url=site.base_url,
            auth=auth,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip, deflate", **(headers or {})},
            timeout=httpx.Timeout(limits.read, connect=limits.connect),
            verify=_trusted(),
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
                    say(f"{self._site.vendor}: {request}: attempt {attempt.num}")
                with attempt:
                    return self._attempt(request)
        except TryAgainError as last:
            raise last.failure from last.__cause__
        raise AssertionError("stamina ends with an answer or an error")

    def _attempt(self, request: Ask) -> Json:
        """One whole exchange, parsed. What may pass by itself leaves as `TryAgainError`."""
        wait_for_throttle(self._site.vendor)
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
        if httpx.codes.is_success(answer.status):
            return answer.json(self._site.parse_float)
        failure = self._site.explain(answer) or error_of(answer, self._site.advice, self._site.transient)
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
                    extensions=self._deadline.extensions,
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
