"""Executions: what ran, runs and failed, newest first."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import ConfigDict, Field, WithJsonSchema

from flows.api.lists import PageOfList, RowId, TaggedRoute, cut_page, read_cursor
from flows.api.problems import not_modified, problems
from flows.api.runs import AppSettings
from flows.api.schemas import ExecutionAnswer, ExecutionDetail, ExecutionPage, IntegrationErrorAnswer, StepId
from flows.api.security import READ
from flows.parameters import parse_moment, parse_step
from steps.settings import SyncSettings
from tracking.history import MAX_LIMIT, HistoryFilter, find_execution, find_executions
from tracking.integration_errors import ErrorFilter, find_errors
from tracking.models import ExecutionStatus
from tracking.recorder import end_dead_executions

router = APIRouter(prefix="/api/sync/executions", tags=["executions"], dependencies=[READ], route_class=TaggedRoute)

MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?$"
Moment = Annotated[str, WithJsonSchema({"type": "string", "examples": ["2024-03-01", "2024-03-01T09:30:00Z"]})]


class ExecutionQuery(PageOfList):
    """Which executions are wanted; a filter that does not exist is refused rather than passed over."""

    model_config = ConfigDict(extra="forbid")

    step_name: StepId | None = None
    status: ExecutionStatus | None = None
    flow_run_id: str | None = Field(default=None, pattern=r"^[0-9A-Za-z-]{1,64}$", description="Of one run in Prefect.")
    started_after: Moment | None = Field(default=None, pattern=MOMENT, description="Without an offset: SYNC_TIMEZONE.")
    started_before: Moment | None = Field(default=None, pattern=MOMENT)

    def resolve(self, settings: SyncSettings) -> HistoryFilter:
        """As the history knows it, for one row more than a page.

        Raises:
            UsageError: a value makes no sense.
        """
        if self.step_name is not None:
            parse_step(self.step_name)
        started: dict[str, Any] = {
            name: parse_moment(name, text, settings.zone)
            for name in ("started_after", "started_before")
            if (text := getattr(self, name)) is not None
        }
        older_than = None if self.cursor is None else read_cursor(self.cursor, by_start=bool(started))
        same = self.model_dump(include={"step_name", "status", "flow_run_id"})
        return HistoryFilter(**same, **started, older_than=older_than, limit=self.limit + 1)


@router.get("", responses={**problems(), **not_modified()})
def list_executions(
    request: Request, response: Response, query: Annotated[ExecutionQuery, Query()], settings: AppSettings
) -> ExecutionPage:
    """Executions, newest first.

    With `started_after` or `started_before` they are in order of their start, and those that never started are left
    out. There is a next page as long as `next_cursor` is not null; the `Link` header has its address.
    """
    wanted = query.resolve(settings)
    end_dead_executions()
    found = find_executions(wanted)
    page, cursor = cut_page(request, response, found, query.limit, wanted.place_of)
    return ExecutionPage(executions=[ExecutionAnswer.of(each) for each in page], next_cursor=cursor)


@router.get("/{execution_id}", responses={**problems(HTTPStatus.NOT_FOUND), **not_modified()})
def show_execution(execution_id: RowId) -> ExecutionDetail:
    """One execution, with the records it could not apply."""
    end_dead_executions()
    execution = find_execution(execution_id)
    if execution is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no execution {execution_id}")
    errors = find_errors(ErrorFilter(sync_execution_id=execution_id, limit=MAX_LIMIT))
    shown = [IntegrationErrorAnswer.model_validate(each) for each in errors]
    return ExecutionDetail(**dict(ExecutionAnswer.of(execution)), integration_errors=shown)
