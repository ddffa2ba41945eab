"""What a vendor answered and what it means: the body as JSON, the reason it gives, the error to raise for it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from steps.connectors.json_value import Json, UnusableJsonError, parse_json, storable
from steps.errors import (
    VendorAuthError,
    VendorError,
    VendorNotFoundError,
    VendorPayloadError,
    VendorRejectedError,
    VendorUnavailableError,
)
from tracking.redaction import redact_message

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses that a later try may change, whatever the vendor."""
_LONGEST_SNIPPET = 200
_REASONS = ("info", "detail", "message", "error", "title", "non_field_errors", "error_details")
"""Keys under which one backend or another says why, best first (vendors/*.md, Errors; RFC 9457)."""


class CutShortError(VendorPayloadError):
    """A body that begins as JSON and does not end: a dropped connection, so it is asked for again."""


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    vendor: str
    request: str
    """Method and path without query."""
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body for people; what is no UTF-8 is marked, never an error."""
        return self.body.decode("utf-8", "replace")

    def json(self, parse_float: Callable[[str], Json] = Decimal) -> Json:
        """The body as JSON, whatever `Content-Type` says (vendors/holded.md: text/html with a valid JSON body).

        Raises:
            CutShortError: it begins as JSON, or is empty.
            VendorPayloadError: it holds what nobody can use, or is something else, such as the web app's page.
        """
        try:
            return parse_json(self.body, parse_float)
        except UnusableJsonError as error:
            verdict = f"the answer cannot be used: {error}"
            raise VendorPayloadError(self.vendor, self.request, verdict, status=self.status) from error
        except ValueError as error:
            raise self._not_json(error) from error

    def _not_json(self, error: Exception) -> VendorPayloadError:
        start = self.body.lstrip()[:1]
        if start in (b"", b"[", b"{"):
            verdict = f"the JSON of the answer is cut short or damaged ({error})"
            return CutShortError(self.vendor, self.request, verdict, status=self.status)
        what = "an HTML page" if start == b"<" else "no JSON"
        return VendorPayloadError(
            self.vendor,
            self.request,
            f"{self.status} with {what} where JSON was expected: the path of the base URL is wrong, or the credential "
            f"lacks permission for this module ({snippet(self.text)})",
            status=self.status,
        )

    def is_page(self) -> bool:
        """Whether the body is HTML, as of a path that no API has."""
        return self.body.lstrip()[:1] == b"<"

    def reason(self) -> str:
        """What the vendor says went wrong, short and without secrets."""
        try:
            body = parse_json(self.body, float)
        except ValueError:
            return snippet("an HTML page" if self.is_page() else self.text)
        return snippet(reason_of(body))

    def retry_after(self) -> float | None:
        """Seconds to wait, from `Retry-After` as seconds or as a date; None when there is none that can be read."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
            return float(value)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def reason_of(body: Json) -> str:
    """The reason in an error body of any of the vendors; the whole body when no known key has one."""
    if isinstance(body, dict):
        for key in _REASONS:
            value = body.get(key)
            if value and isinstance(value, str | list):
                return value if isinstance(value, str) else "; ".join(map(str, value))
        return json.dumps({key: item for key, item in body.items() if key != "status_code"}, ensure_ascii=False)
    return str(body)


def snippet(text: str) -> str:
    """One short line. Redacted before it is cut: half a secret would be shown otherwise."""
    line = " ".join(redact_message(storable(text), emails=True).split())
    return line if len(line) <= _LONGEST_SNIPPET else f"{line[:_LONGEST_SNIPPET]}..."


def error_of(answer: Answer, advice: Mapping[int, str], transient: frozenset[int]) -> VendorError:
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
