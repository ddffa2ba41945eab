"""Waits for a run that was started, here or elsewhere, without holding a thread, and looks up what came of it."""

import asyncio
from http import HTTPStatus
from time import monotonic

from starlette.concurrency import run_in_threadpool

from flows.api.problems import RefusedError
from flows.api.step_runs import StartedRun, StepRuns
from tracking.history import executions_of_run
from tracking.models import OPEN_STATUSES, SyncExecution
from tracking.reconcile import end_dead_executions

_POLL_SECONDS = 0.1
_LONGEST_PLANNING_SECONDS = 30.0
_LONGEST_ANSWER_SECONDS = 10.0
"""Who does not want to wait is answered then, planned or not: a worker looks for new runs every 10 seconds or so."""


async def outcome_of_run(run: StartedRun) -> list[SyncExecution]:
    """The executions of a run that this app started or follows, when it has ended.

    Raises:
        RefusedError: 500, the run ended before it planned anything.
        SyncError: what became of it cannot be known here.
    """
    final_message = await asyncio.shield(asyncio.wrap_future(run.ended))
    executions = await run_in_threadpool(executions_of_run, run.flow_run_id)
    if not executions:
        raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, f"the run ended before it began: {final_message}")
    return executions


async def outcome_of_known_run(runs: StepRuns, flow_run_id: str) -> list[SyncExecution]:
    """The executions of a run that somebody started, when they have ended.

    Raises:
        RefusedError: 500, it never planned anything.
        SyncError: as `outcome_of_run`.
    """
    if followed := await run_in_threadpool(runs.follow, flow_run_id):
        return await outcome_of_run(followed)
    executions = await _planned_executions(flow_run_id, _LONGEST_PLANNING_SECONDS)
    if not executions:
        raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "the run of the first request ended before it began")
    while any(each.status in OPEN_STATUSES for each in executions):
        await asyncio.sleep(_POLL_SECONDS)
        await run_in_threadpool(end_dead_executions)
        executions = await run_in_threadpool(executions_of_run, flow_run_id)
    return executions


async def executions_so_far(flow_run_id: str) -> list[SyncExecution]:
    """The executions of a run as soon as they are written down; none if that takes longer than one wants to wait."""
    return await _planned_executions(flow_run_id, _LONGEST_ANSWER_SECONDS)


async def _planned_executions(flow_run_id: str, longest: float) -> list[SyncExecution]:
    deadline = monotonic() + longest
    while monotonic() < deadline:
        if executions := await run_in_threadpool(executions_of_run, flow_run_id):
            return executions
        await asyncio.sleep(_POLL_SECONDS)
    return []
