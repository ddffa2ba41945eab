"""Nothing is posted on a broken import: it is looked at before anything is posted (docs/accrual-rules.md, Gate).

An execution is out of date when it began before its month was over, or when something it builds on has changed since.

The look that counts is the first thing in the ledger transaction of the month. Import steps write their records in
ledger transactions too, and these take turns: what the look has seen is what is posted on. An import step that begins
later writes after the month's commit; if it is seen before the commit, the month is rolled back and waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from time import sleep
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from steps.catalog import ACCRUALS, builds_on
from steps.engine.contract_month import Notification, NotificationType
from steps.errors import BrokenImportError, PolicyChangedError, SyncError, UsageError
from steps.ledger.accrual import changed_policy
from steps.ledger.months import MonthWindow
from steps.progress import Progress
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.database import read_session
from tracking.history import (
    StepMonth,
    StepMonthHistory,
    find_execution,
    open_executions,
    step_month_histories,
)
from tracking.models import OPEN_STATUSES, ExecutionStatus, SyncExecution, execution_name
from tracking.recorder import end_dead_executions

_POLL_SECONDS = 1
LONGEST_REASON = 500
"""Characters of an override's reason, and of the person's name."""


@dataclass(frozen=True)
class Override:
    """A person's word that a month is accrued although the gate refuses it."""

    reason: str
    by: str

    @classmethod
    def of(cls, reason: str, by: str) -> "Override":
        """With the blanks of both made single ones.

        Raises:
            UsageError: there is no reason, or one of the two is too long.
        """
        reason, by = " ".join(reason.split()), " ".join(by.split()) or "unknown"
        if not reason:
            raise UsageError("override: the reason is empty, and it is kept with what is posted: say why, in words")
        for name, text in (("reason", reason), ("person", by)):
            if len(text) > LONGEST_REASON:
                raise UsageError(f"override: the {name} has {len(text)} characters, at most {LONGEST_REASON} are kept")
        return cls(reason, by)


def began_before(done: SyncExecution, end: date, zone: ZoneInfo) -> date | None:
    """The day on which an execution began, if that was before `end` in `zone`; else None, or if it has no start."""
    if done.started_at is None:
        return None
    day = done.started_at.astimezone(zone).date()
    return day if day < end else None


def changed_since(
    key: StepMonth, done: SyncExecution, histories: Mapping[StepMonth, StepMonthHistory]
) -> SyncExecution | None:
    """An execution that a step and month builds on, and that changed something after `done` began; None if none did.

    Not one of the same attempt of the same run, which did them in their order: a redo does all its months at once.
    Records that were tried again by themselves count as a change, whatever their month.
    """
    if done.started_at is None:
        return None
    for (step_name, month), history in histories.items():
        for source, of_month in ((history.newest_completed, month), (history.newest_retry, None)):
            if (
                source is not None
                and source.completed_at
                and source.completed_at > done.started_at
                and (
                    done.flow_run_id is None or (source.flow_run_id, source.attempt) != (done.flow_run_id, done.attempt)
                )
                and builds_on(key, (step_name, of_month))
                and RecordedResult(source.result).changed_something
            ):
                return source
    return None


class ImportRunningError(Exception):
    """An import step of the month has not ended: the month waits for it."""


@dataclass
class ImportFindings:
    """What was found out about the import of a month."""

    window: MonthWindow
    policy_change: str | None = None
    """How the policy differs from that of the closed month before, as `changed_policy` says it."""
    refusals: list[str] = field(default_factory=list)
    """Why the month is refused, a line for each import step."""
    _refused_steps: list[str] = field(default_factory=list)
    _outdated: list[str] = field(default_factory=list)
    _not_recorded: list[str] = field(default_factory=list)

    def note(self, key: StepMonth, histories: Mapping[StepMonth, StepMonthHistory], zone: ZoneInfo) -> None:
        """Sort the last execution of one import step in."""
        if key not in histories:
            self._not_recorded.append(execution_name(*key))
            return
        newest = histories[key].newest
        if newest.status == ExecutionStatus.FAILED:
            why = " ".join((newest.error_message or "no reason was recorded").split())
            self._refuse(newest, f"failed (execution {newest.id}): {why}")
        elif day := began_before(newest, self.window.end, zone):
            self._refuse(newest, f"was read on {day} (execution {newest.id}), before {self.window} was over")
        elif source := changed_since(key, newest, histories):
            self._outdated.append(f"{source.name} (execution {source.id}) has changed something since {newest.name}")

    def _refuse(self, execution: SyncExecution, why: str) -> None:
        self.refusals.append(f"{execution.name} {why}")
        self._refused_steps.append(execution.step_name)

    def require(self, override: Override | None) -> dict[str, Any] | None:
        """What the result of the month says of an override: None if nobody asked for one.

        Raises:
            BrokenImportError: the month is refused, and nobody overrides that.
            PolicyChangedError: likewise, because a month before it was closed with another policy.
        """
        if override is not None:
            overridden = [*self.refusals, *filter(None, [self.policy_change])]
            return {"reason": override.reason, "by": override.by, "overridden": overridden}
        if self.policy_change and not self.refusals:
            raise PolicyChangedError(
                f"{self.window} is not accrued, because its policy is not that of the month closed before it: "
                f'{self.policy_change}. Set it back, or accrue all the same with: --override "REASON"'
            )
        if not self.refusals:
            return None
        start, end = self.window.start, self.window.end
        command = f"sync-actions --from-step {self._refused_steps[0]} --start-date {start} --end-date {end}"
        raise BrokenImportError(
            f"{self.window} is not accrued, because its import is broken: {'; '.join(self.refusals)}. "
            f'Import again with: {command}, or accrue all the same with: --override "REASON"'
        )

    def notifications(self) -> list[Notification]:
        """What a person should know of the import; they are about no contract."""
        found = []
        if self._outdated:
            message = f"the import of {self.window} is out of date: {'; '.join(self._outdated)}"
            found.append(Notification(NotificationType.IMPORT_OUTDATED, None, message))
        if self._not_recorded:
            message = f"no import is recorded for {self.window}: {', '.join(self._not_recorded)}"
            found.append(Notification(NotificationType.IMPORT_NOT_RECORDED, None, message))
        return found


def look_at_import(session: Session, window: MonthWindow, settings: SyncSettings) -> ImportFindings:
    """Sort the last execution of each import step of a month by the table of docs/accrual-rules.md, Gate.

    In the ledger transaction in which the month is posted.

    Raises:
        ImportRunningError: an import step of the month has not ended.
    """
    require_none_running(session, window)
    histories = step_month_histories(session, tuple(step.id for step in ACCRUALS.builds_on))
    findings = ImportFindings(window, changed_policy(session, window.start, settings.policy))
    for key in _import_of(window):
        findings.note(key, histories, settings.zone)
    return findings


def require_none_running(session: Session, window: MonthWindow) -> None:
    """Let a month pass while none of its import steps is at work or about to be.

    Raises:
        ImportRunningError: one is.
    """
    if open_executions(session, _import_of(window)):
        raise ImportRunningError


def wait_for_import(window: MonthWindow, execution_id: int | None, progress: Progress) -> None:
    """Wait until no import step of the month is open; holds no transaction meanwhile.

    What a dead run left open is ended and not waited for. Each execution that is waited for is named once.

    Raises:
        SyncError: that execution was ended from outside while it waited.
    """
    named: set[int | None] = set()
    while _open_now(window):
        end_dead_executions()
        at_work = _open_now(window)
        if new := [each for each in at_work if each.id not in named]:
            names = (f"{each.name} (execution {each.id}, run {each.flow_run_id or 'unknown'})" for each in new)
            progress.log(f"accruals {window}: waiting until its import has ended: {', '.join(names)}")
            named.update(each.id for each in new)
        if at_work:
            sleep(_POLL_SECONDS)
        _require_open(execution_id)


def _open_now(window: MonthWindow) -> list[SyncExecution]:
    with read_session() as session:
        return open_executions(session, _import_of(window))


def _require_open(execution_id: int | None) -> None:
    execution = None if execution_id is None else find_execution(execution_id)
    if execution is not None and execution.status not in OPEN_STATUSES:
        raise SyncError("the execution was ended from outside while it waited for the import: nothing was posted")


def _import_of(window: MonthWindow) -> list[StepMonth]:
    """The five import steps: of those that are called by month, that of this month."""
    return [(step.id, window.start if step.by_month else None) for step in ACCRUALS.builds_on]
