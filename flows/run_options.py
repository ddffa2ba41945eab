"""The options of a run as a person gives them, checked by one set of rules for command line and page."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flows.order import IMPORT_ORDER
from flows.parameters import AskedRange, parse_month_date, parse_step, parse_year, resolve_override, resolve_range
from flows.plan import Only, step_runs_of_plan
from steps.errors import UsageError
from steps.ledger.months import MonthWindow
from steps.settings import SyncSettings
from tracking.recorder import Overlap


@dataclass(frozen=True)
class TypedOptions:
    """The options of a run, as a person typed or chose them at the command line or on the page."""

    from_step: str | None = None
    year: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    only: str | None = None
    overlap: str = Overlap.wait
    plan: int | None = None
    """Run this plan; what says which steps and months does not go with it."""
    override: str | None = None

    def resolve(self) -> tuple[str, MonthWindow]:
        """The first step and the range of months; whatever was typed is looked at.

        Raises:
            UsageError: one line that says what was given and what is allowed.
        """
        step, span = self._range()
        resolve_override(step, self.override, "")
        return step, span

    def _range(self) -> tuple[str, MonthWindow]:
        settings: SyncSettings = SyncSettings.load()
        if self.only is not None and self.only not in set(Only):
            raise UsageError(f"only {self.only!r} is not known: one of {', '.join(Only)} is expected")
        if self.overlap not in set(Overlap):
            raise UsageError(f"overlap {self.overlap!r} is not known: one of {', '.join(Overlap)} is expected")
        if self.plan is not None:
            step_runs, span = step_runs_of_plan(self.plan, settings.zone)
            return step_runs[0].step.id if step_runs else IMPORT_ORDER[0].id, span
        step = parse_step(self.from_step or IMPORT_ORDER[0].id)
        start = None if self.start_date is None else parse_month_date("start date", self.start_date)
        end = None if self.end_date is None else parse_month_date("end date", self.end_date)
        year = None if self.year is None or (start and end) else parse_year(self.year)
        return step, resolve_range(AskedRange(year, start, end), datetime.now(UTC), settings)
