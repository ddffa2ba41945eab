"""What every view needs to know: language, settings, theme, and who starts runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flows.api.step_runs import StartedRun, StepRuns
from flows.page.texts import Texts
from steps.settings import SyncSettings

FIRST_YEAR_SHOWN = 2018


class PageRuns(StepRuns, Protocol):
    """What the page needs of who starts runs, besides what the API does."""

    def retry(self, error_ids: Sequence[int]) -> StartedRun:
        """Begin a run that tries these integration errors again."""


@dataclass(frozen=True)
class Visit:
    """One view in one browser."""

    view: str
    """Its key, such as `grid`: the last part of its address."""
    texts: Texts
    settings: SyncSettings
    runs: PageRuns
    theme: str
    """`dark` or `light` if somebody chose; else empty, and the browser's preference counts."""
    guarded: bool
    """Whether people log in, and may log out."""

    def address(self, view: str) -> str:
        """Where a view is, in this language, below the place where the page is mounted."""
        return f"/{self.texts.language}/{view}"

    @property
    def now(self) -> datetime:
        """The present moment in the academy's zone."""
        return datetime.now(self.settings.zone)

    def years(self) -> list[int]:
        """The years that a person may want to look at, newest first."""
        return list(range(self.now.year + 1, min(FIRST_YEAR_SHOWN, self.settings.default_year) - 1, -1))
