"""What routes are handed: the settings of the app, and the runs it can start."""

from typing import Annotated

from fastapi import Depends, Path, Request

from flows.api.cursor import LARGEST_ID
from flows.api.step_runs import StepRuns
from steps.settings import SyncSettings


async def _settings(request: Request) -> SyncSettings:
    settings: SyncSettings = request.app.state.settings
    return settings


async def _runs(request: Request) -> StepRuns:
    runs: StepRuns = request.app.state.runs
    return runs


AppSettings = Annotated[SyncSettings, Depends(_settings)]
AppRuns = Annotated[StepRuns, Depends(_runs)]
RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
