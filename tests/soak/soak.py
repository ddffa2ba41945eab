"""One soak: disturb for so many minutes, wait until everything is whole again, and check."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx
import psycopg

from tests.soak.checks import (
    Check,
    check_answers,
    check_ledger,
    check_prefect,
    check_rows,
    check_schedules,
)
from tests.soak.disturbances import KINDS
from tests.soak.installation import Installation, now
from tests.soak.months import Months
from tests.soak.plan import Disturber, Happened, make_plan
from tests.soak.readers import Reader

_TICK_SECONDS = 1.0
_PROGRESS_SECONDS = 10.0
_BECOMES_WHOLE_SECONDS = 600.0
_SHORT_MINUTES = 3.0
_MONTHS_A_SOAK = 11
_MONTHLY = ("sync-import/monthly", "sync-import/on-demand", "process-accruals/monthly")
_RECONCILE = "reconcile-executions/every-5-minutes"
_UNENDED = ["PENDING", "RUNNING", "CANCELLING", "PAUSED"]


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    minutes: float
    seed: int

    @property
    def is_short(self) -> bool:
        """Few kinds of disturbances, and schedules of half a minute."""
        return self.minutes <= _SHORT_MINUTES

    @property
    def pace(self) -> int:
        """Seconds between two runs of a schedule."""
        return 25 if self.is_short else 60


class Soak:
    """One soak on an installation."""

    def __init__(self, to: Installation, options: Options) -> None:
        self._to, self._length = to, options.minutes * 60
        kinds = [kind for kind in KINDS if kind.in_short_form or not options.is_short]
        self._months = Months(to, self._length / _MONTHS_A_SOAK)
        self._disturber = Disturber(make_plan(kinds, options.seed, self._length, first=options.pace), to)
        self._reader = Reader(to.api_url)
        self._logged = self._began = time.monotonic()
        self._phase = "disturbed"

    @property
    def happened(self) -> list[Happened]:
        """The disturbances that took place."""
        return self._disturber.happened

    def run(self) -> list[Check]:
        """Disturb, wait, and check; every process of the installation still runs after it."""
        self._await(self._api_answers, _BECOMES_WHOLE_SECONDS)
        self._reader.start()
        self._began = time.monotonic()
        while self._seconds() < self._length:
            self._disturber.advance(self._seconds())
            self._tick()
        self._disturber.end_all()
        whole = self._become_whole()
        self._reader.close()
        return [whole, *self._check()]

    def survivors(self) -> list[bool]:
        """Of each disturbance whether an import that began after it was done completely, in the order of `happened`."""
        completed = [
            _unix(run["start_time"])
            for run in self._to.prefect.flow_runs(state={"type": {"any_": ["COMPLETED"]}})
            if run["flow_name"] == "sync-import" and run["start_time"] is not None
        ]
        return [not each.trouble and any(began > each.ended for began in completed) for each in self.happened]

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _api_answers(self) -> bool:
        return httpx.get(f"{self._to.api_url}/api/health", timeout=5).is_success

    def _tick(self) -> None:
        if self._phase != "the last runs":
            self._months.advance(to_next=self._phase == "disturbed")
        if time.monotonic() - self._logged >= _PROGRESS_SECONDS:
            self._logged = time.monotonic()
            sys.stdout.write(f"{self._progress()}\n")
            sys.stdout.flush()
        time.sleep(_TICK_SECONDS)

    def _progress(self) -> str:
        minutes, seconds = divmod(int(self._seconds()), 60)
        try:
            rows = self._to.database.ask("SELECT status, count(*) FROM sync_execution GROUP BY status ORDER BY status")
            executions = ", ".join(f"{count} {status}" for status, count in rows) or "no execution yet"
        except psycopg.Error:
            executions = "the database is away"
        longest = max((answer.seconds for answer in self._reader.answers), default=0.0)
        return (
            f"[{minutes:02}:{seconds:02}] {self._phase}; {self._months.month:%Y-%m}; {executions}; "
            f"{len(self._reader.answers)} answers, longest {longest:.1f} s; {', '.join(self._disturber.present) or '-'}"
        )

    def _become_whole(self) -> Check:
        """Wait for a run of each schedule that is done completely, stop the schedules, and wait for the last run."""
        self._phase, since, began = "quiet", now(), time.monotonic()
        is_whole = self._await(lambda: self._is_whole(since), _BECOMES_WHOLE_SECONDS)
        took = time.monotonic() - began
        self._phase = "the last runs"
        for deployment in _MONTHLY:
            self._to.prefect.set_schedule(deployment, None)
        self._to.prefect.delete_waiting()
        self._await(lambda: not self._unended("sync-import", "process-accruals"), _BECOMES_WHOLE_SECONDS)
        self._to.prefect.set_schedule(_RECONCILE, None)
        self._to.prefect.delete_waiting()
        self._await(lambda: not self._unended("reconcile-executions"), _BECOMES_WHOLE_SECONDS)
        return Check("everything became whole by itself, once nothing disturbed it", is_whole, f"after {took:.0f} s")

    def _await(self, happened: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if happened():
                    return True
            except (httpx.HTTPError, psycopg.Error):
                pass
            self._tick()
        return False

    def _is_whole(self, since: float) -> bool:
        done = {
            run["deployment_id"]
            for run in self._to.prefect.flow_runs(state={"type": {"any_": ["COMPLETED"]}})
            if run["start_time"] is not None and _unix(run["start_time"]) > since
        }
        at_work = len(_MONTHLY) + 1 if len(self._months.done) > 1 else len(_MONTHLY)
        return len(done) >= at_work and self._months.is_accrued()

    def _unended(self, *flows: str) -> bool:
        unended = self._to.prefect.flow_runs(state={"type": {"any_": _UNENDED}})
        return any(run["flow_name"] in flows for run in unended)

    def _check(self) -> list[Check]:
        runs, months = self._to.prefect.flow_runs(), self._months.done
        self._to.command(
            "-m",
            "tests.soak.undisturbed",
            *(month.isoformat() for month in months),
            SYNC_DATABASE_URL=self._to.database.url("undisturbed"),
        )
        return [
            *check_rows(self._to.database),
            *check_ledger(self._to.database, len(months)),
            *check_prefect(self._to, runs),
            check_schedules(self._to, runs),
            *check_answers(self._reader.answers, self.happened, self._to.api.started_at),
        ]


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
