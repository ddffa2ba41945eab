"""How requests start runs and wait for them, without holding a thread while they wait."""

import asyncio
from http import HTTPStatus
from time import monotonic
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from flows.api.problems import status_of_name
from flows.api.schemas import Accepted, outcome_of, status_of_executions
from flows.prefect_server import PrefectUnavailableError
from flows.runs import RunRequest, Runs, RunStatus, Stage
from steps.catalog import Step
from steps.settings import SyncSettings
from tracking.models import ExecutionStatus

_POLL_SECONDS = 0.25
_LONGEST_SILENCE_SECONDS = 60.0
"""Of Prefect, about a run that has not begun."""
_LONGEST_ANSWER_SECONDS = 10.0
"""Who does not want to wait is answered then, whether the run has begun or not."""

_IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Any text of your own: the same key and body again runs nothing and answers the same.",
    ),
]

_Prefer = Annotated[str, Header(max_length=255, description="`respond-async`: do not wait for the end.")]


async def _settings(request: Request) -> SyncSettings:
    settings: SyncSettings = request.app.state.settings
    return settings


async def _runs(request: Request) -> Runs:
    runs: Runs = request.app.state.runs
    return runs


AppSettings = Annotated[SyncSettings, Depends(_settings)]
AppRuns = Annotated[Runs, Depends(_runs)]


async def end_of_run(runs: Runs, flow_run_id: str) -> RunStatus:
    """How a run ended; of one that no worker takes for a long time, that it waits.

    Raises:
        HTTPException: 500, it ended before it began.
        RunGoneError, PrefectUnavailableError: what became of it cannot be known.
    """
    answered = worker_seen = monotonic()
    while True:
        try:
            status = await run_in_threadpool(runs.status, flow_run_id)
        except PrefectUnavailableError:
            if monotonic() - answered > _LONGEST_SILENCE_SECONDS:
                raise
        else:
            answered = monotonic()
            if status.stage is Stage.ended:
                return _begun(status)
            if status.stage is not Stage.waits_for_worker:
                worker_seen = answered
            elif answered - worker_seen >= runs.worker_wait_seconds:
                return status
        await asyncio.sleep(_POLL_SECONDS)


async def _accepted(runs: Runs, flow_run_id: str, step: Step) -> Response:
    """202 and where to look, as soon as the run has begun or it is known what it waits for.

    Raises:
        HTTPException: 500, it ended before it began.
    """
    deadline = monotonic() + _LONGEST_ANSWER_SECONDS
    while True:
        status = await run_in_threadpool(runs.status, flow_run_id)
        if status.executions or status.stage is Stage.ended or monotonic() > deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    ids = [each.id or 0 for each in _begun(status).executions]
    location = f"/api/sync/executions/{ids[0]}" if len(ids) == 1 else f"/api/sync/executions?flow_run_id={flow_run_id}"
    body = Accepted(
        step_name=step.id,
        status=status_of_executions(status.executions),
        flow_run_id=flow_run_id,
        execution_ids=ids,
        waits_for=status.waits_for,
    )
    headers = {"Location": location, "Preference-Applied": "respond-async"}
    return JSONResponse(body.model_dump(mode="json"), HTTPStatus.ACCEPTED, headers)


class _Starter:
    """Starts runs as a client's headers ask for."""

    def __init__(self, runs: AppRuns, prefer: _Prefer = "", idempotency_key: _IdempotencyKey = None) -> None:
        self._runs, self._key = runs, idempotency_key
        self._waits = "respond-async" not in {each.strip().lower() for each in prefer.split(",")}

    async def run(self, request: RunRequest, step: Step) -> RunStatus | Response:
        """How the run ended; 202 if that is not waited for, or no worker takes it for a long time.

        Raises:
            HTTPException: 500, it ended before it began.
            RunGoneError, PrefectUnavailableError: what became of it cannot be known.
        """
        flow_run_id = await run_in_threadpool(self._runs.start, request, self._key)
        if self._waits:
            status = await end_of_run(self._runs, flow_run_id)
            if status.stage is Stage.ended:
                return status
        return await _accepted(self._runs, flow_run_id, step)


AppStarter = Annotated[_Starter, Depends()]


def require_completed(status: RunStatus) -> None:
    """Make the failure of an ended run the answer.

    Raises:
        HTTPException: one of its executions failed, with the status that its error stands for.
    """
    for each in status.executions:
        if each.status != ExecutionStatus.COMPLETED:
            message = outcome_of(status.executions).error_message
            raise HTTPException(status_of_name(each.details.get("error_type", "")), message)


def _begun(status: RunStatus) -> RunStatus:
    if status.stage is Stage.ended and not status.executions:
        raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, f"the run ended before it began: {status.detail}")
    return status
