"""A request that may be sent twice starts one run (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Annotated

from fastapi import Header
from starlette.concurrency import run_in_threadpool

from flows.api.step_runs import StartedRun
from tracking.idempotency import KeyBusyError, claim_key, keep_run, release_key

_POLL_SECONDS = 0.1
_LONGEST_START_SECONDS = 60.0

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Any text of your own: the same key and body again runs nothing and answers the same.",
    ),
]


@dataclass(frozen=True)
class RunOfRequest:
    """The run that answers a request."""

    flow_run_id: str
    started: StartedRun | None
    """None when an earlier request started it."""


async def run_once(start: Callable[[], StartedRun], key: str | None, request: str) -> RunOfRequest:
    """Start a run, or find the one that an earlier request with this key started.

    The key is taken before the run begins and kept with it: whatever happens in between, nothing runs twice.

    Raises:
        KeyReusedError: the key stands for another request.
        KeyBusyError: an earlier request has been about to start for a long time.
    """
    if key is None:
        started = await run_in_threadpool(start)
        return RunOfRequest(started.flow_run_id, started)
    known = await _claim(key, request)
    if known is not None:
        return RunOfRequest(known, None)
    started = await run_in_threadpool(_start_and_keep, start, key)
    return RunOfRequest(started.flow_run_id, started)


async def _claim(key: str, request: str) -> str | None:
    deadline = monotonic() + _LONGEST_START_SECONDS
    while True:
        try:
            return await run_in_threadpool(claim_key, key, request)
        except KeyBusyError:
            if monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_SECONDS)


def _start_and_keep(start: Callable[[], StartedRun], key: str) -> StartedRun:
    try:
        started = start()
    except BaseException:
        release_key(key)
        raise
    keep_run(key, started.flow_run_id)
    return started
