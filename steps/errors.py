"""Every error of the steps, grouped by what the caller should do.

SyncError
├─ UsageError                  what was asked for makes no sense          -> refuse before anything starts
├─ ConfigError                 a setting is missing or wrong              -> fail the step, name the variable
├─ VendorError                 says vendor, request and verdict
│  ├─ VendorUnavailableError   timeout, connection, 408, 425, 429, 5xx    -> the only one that is retried
│  ├─ VendorDownError          a read that failed so before, in this run  -> fail at once, ask nothing
│  ├─ VendorUnfinishedError    work was accepted and did not end in time  -> fail the window, ask no more
│  ├─ VendorRejectedError      any other status                           -> fail the window
│  │  ├─ VendorAuthError       401, 403                                   -> fail the window, name the variable
│  │  └─ VendorNotFoundError   404 (and Holded's 400 for an unknown id)
│  └─ VendorPayloadError       the answer is not what the sheet says      -> fail the window
│     └─ SuspiciousEmptyError  a list lost most of what it had            -> fail the window
├─ RecordRejectedError         one record cannot be applied               -> integration_error, the step goes on
│  └─ RecordRepairedError      it was, without what cannot be stored      -> integration_error, the step goes on
├─ ErrorBudgetError            too many of them                           -> fail the window, keep the errors
├─ RunTimeLimitError           the run has lasted too long                -> fail what is left of it
├─ BrokenImportError           a month's import failed or began too early -> post nothing, name the repair
├─ PolicyChangedError          a closed month froze another policy        -> post nothing, name both
└─ AccrualError                an accounting promise would break          -> roll the month back
"""

import json
from hashlib import sha256
from typing import Any, ClassVar

from tracking.redaction import LONGEST_MESSAGE, redact_json, redact_message


class SyncError(Exception):
    """Root of the tree. The message is for people, never holds a secret, and leaves out the middle of a long text."""

    longest_message: ClassVar[int] = LONGEST_MESSAGE

    def __init__(self, message: str) -> None:
        super().__init__(redact_message(message, self.longest_message))


def speaks_for_itself(error: object) -> bool:
    """Whether an error is one of ours with a message: that says to a person all that there is to say."""
    kinds = type(error).__mro__ if isinstance(error, Exception) else ()
    return any(kind.__module__.startswith(("steps.", "tracking.")) for kind in kinds) and bool(str(error).strip())


class UsageError(SyncError):
    """What was asked for makes no sense; one line says what was given and what is allowed."""


class ConfigError(SyncError):
    """A setting is missing or wrong; the message names the variable, never its value."""


class VendorError(SyncError):
    """A vendor did not answer as it should."""

    def __init__(self, vendor: str, request: str, verdict: str, *, status: int | None = None) -> None:
        """Args: `request` is method and path without query, `verdict` what went wrong and what to do about it."""
        self.vendor, self.request, self.verdict, self.status = vendor, request, verdict, status
        super().__init__(f"{vendor}: {request}: {verdict}")


class VendorUnavailableError(VendorError):
    """Timeout, refused connection, 408, 425, 429 or a 5xx that may pass, after the retries."""


class VendorDownError(VendorError):
    """What was asked for failed all its attempts earlier in this run, so it is not asked for again."""

    def __init__(self, earlier: VendorError) -> None:
        """Args: `earlier` is the failure that it repeats."""
        request = f"not asked again in this run: {earlier.request}"
        super().__init__(earlier.vendor, request, earlier.verdict, status=earlier.status)


class VendorRejectedError(VendorError):
    """A status that a second try would not change."""


class VendorAuthError(VendorRejectedError):
    """401 or 403: the credential is refused, or may not do this."""


class VendorNotFoundError(VendorRejectedError):
    """The vendor has no such record."""


class VendorUnfinishedError(VendorError):
    """Work that was accepted and did not end in time; it is not asked for again, for it may still go on."""


class VendorPayloadError(VendorError):
    """A 200 that is not what the vendor sheet says: no JSON, cut short, another shape, a page that repeats."""


class SuspiciousEmptyError(VendorPayloadError):
    """A list that lost most of its records since the last run: more likely a fault than the truth."""


STAND_IN = "without-id-"
"""How the stand-in for a missing id begins."""


class RecordRejectedError(SyncError):
    """One record cannot be applied; it becomes an `integration_error` and the step goes on.

    The message is one line of many in a list; the whole record is in `record`.
    """

    longest_message = 600

    def __init__(self, entity_type: str, external_id: str, message: str, record: Any = None, **ours: int | str) -> None:
        """Args: `record` is the vendor's; `ours` is what the ledger knows besides, such as `client_id`."""
        self.entity_type, self.external_id = entity_type, external_id
        self.record, self._ours = redact_json(record), ours
        super().__init__(" ".join(message.split()))  # a name may have lines

    @property
    def key(self) -> tuple[str, str]:
        """Entity type and id; a record without an id has a stand-in that is the same each time it is met."""
        return self.entity_type, self.external_id or self._stand_in()

    @property
    def details(self) -> dict[str, Any]:
        """What people need to look at: the vendor's record, under `record` if it is no object or we know more."""
        if isinstance(self.record, dict) and not self._ours:
            return self.record
        return self._ours if self.record is None else {"record": self.record, **self._ours}

    def _stand_in(self) -> str:
        content = json.dumps(self.record, sort_keys=True, default=str)
        return f"{STAND_IN}{sha256(content.encode()).hexdigest()[:16]}"


class RecordRepairedError(RecordRejectedError):
    """The record was applied without something that cannot be stored or read: the error says so to people."""


class ErrorBudgetError(SyncError):
    """More records are in trouble than `SYNC_ERROR_BUDGET` allows: nothing of the window is applied."""


class RunTimeLimitError(SyncError):
    """The run has lasted longer than `SYNC_RUN_HOURS` allows."""


class BrokenImportError(SyncError):
    """A month is not accrued, because its import is broken (docs/accrual-rules.md, Gate)."""


class PolicyChangedError(SyncError):
    """A month is not accrued, because a month before it was closed with another policy."""


class AccrualError(SyncError):
    """An accounting promise (docs/accrual-rules.md, Promises) would break."""


def is_transient(error: BaseException) -> bool:
    """Whether trying again later may help."""
    return isinstance(error, VendorUnavailableError)
