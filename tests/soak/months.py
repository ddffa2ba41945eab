"""The months of the soak, one after the other: what the schedules import and accrue, and how far they have come.

The month in turn is imported over and over, the months before it again beside it, and all so far are accrued. The next
month comes when this one is accrued. The vendors know all of 2024 from the beginning, so that the ledger in the end is
that of an undisturbed import, however often each month was tried.
"""

import time
from datetime import date

import httpx
import psycopg

from steps.ledger.months import next_month
from tests.soak.installation import Installation

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 1)


class Months:
    """Gives the schedules their months."""

    def __init__(self, installation: Installation, least_seconds: float) -> None:
        """Args: `least_seconds` is what each month lasts at least."""
        self._installation, self._least_seconds = installation, least_seconds
        self.month = FIRST
        self._began = time.monotonic()
        self._imports = self._accrues = False

    @property
    def done(self) -> list[date]:
        """The months so far, with the one in turn."""
        months = [FIRST]
        while months[-1] != self.month:
            months.append(next_month(months[-1]))
        return months

    def advance(self, *, to_next: bool) -> None:
        """Look where things stand, and give the schedules what they still lack.

        Args:
            to_next: Whether the next month may come when this one is accrued.
        """
        try:
            self._advance(to_next=to_next)
        except (httpx.HTTPError, psycopg.Error):
            return  # Prefect or the database is away just now: looked at again in a moment

    def is_accrued(self) -> bool:
        """Whether the month in turn is.

        Raises:
            psycopg.Error: the database is away.
        """
        return self._executions("accruals", "completed") > 0

    def _advance(self, *, to_next: bool) -> None:
        if not self._imports:
            self._schedule("sync-import/monthly", self.month, next_month(self.month))
            if self.month != FIRST:
                self._schedule("sync-import/on-demand", FIRST, self.month)
            self._imports = True
        if not self._accrues and self._executions("invoices", "%"):
            # From now on the gate keeps the month from being accrued on an import that is broken or under way.
            self._schedule("process-accruals/monthly", FIRST, next_month(self.month))
            self._accrues = True
        is_over = time.monotonic() - self._began > self._least_seconds
        if to_next and self._accrues and is_over and self.month != LAST and self.is_accrued():
            self.month, self._began = next_month(self.month), time.monotonic()
            self._imports = self._accrues = False

    def _schedule(self, deployment: str, start: date, end: date) -> None:
        span = {"start_date": start.isoformat(), "end_date": end.isoformat()}
        self._installation.prefect.set_schedule(deployment, span)

    def _executions(self, step_name: str, status: str) -> int:
        ((count,),) = self._installation.database.ask(
            "SELECT count(*) FROM sync_execution WHERE step_name = %s AND window_start = %s AND status LIKE %s",
            step_name,
            self.month,
            status,
        )
        return int(count)
