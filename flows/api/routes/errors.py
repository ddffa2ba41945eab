"""Integration errors: records that could not be applied, as work for people."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, WithJsonSchema

from flows.api.lists import LARGEST_ID, PageOfList, RowId, SheetFormat, TaggedRoute, csv_answer, cut_page, read_cursor
from flows.api.problems import file_of, not_modified, problems
from flows.api.schemas import ErrorPage, IntegrationErrorAnswer, KeptText, Marked, StepId
from flows.api.security import OPERATE, READ
from flows.parameters import parse_step
from steps.catalog import STEPS
from steps.reports.spreadsheet import CsvFormat, csv_text, errors_sheet
from tracking.history import MAX_LIMIT, Place
from tracking.integration_errors import ErrorFilter, find_error, find_errors, mark_errors
from tracking.models import ErrorStatus

router = APIRouter(prefix="/api/integrations/errors", tags=["errors"], dependencies=[READ], route_class=TaggedRoute)

_NAME = r"^[a-z0-9_-]{1,64}$"
IntegrationName = Annotated[
    str, WithJsonSchema({"type": "string", "examples": list(dict.fromkeys(s.integration for s in STEPS.values()))})
]
Decision = Literal[ErrorStatus.RESOLVED, ErrorStatus.IGNORED]


class ExportQuery(BaseModel):
    """Which errors are wanted; a filter that does not exist is refused rather than passed over."""

    model_config = ConfigDict(extra="forbid")

    integration_name: IntegrationName | None = Field(default=None, pattern=_NAME)
    operation: StepId | None = Field(default=None, description="The step that met it.")
    entity_type: str | None = Field(default=None, pattern=_NAME, examples=["invoice", "contact"])
    status: ErrorStatus | None = None

    def resolve(self, *, older_than: int | None = None, limit: int | None = None) -> ErrorFilter:
        """As `tracking/integration_errors.py` knows it.

        Raises:
            UsageError: there is no such step.
        """
        if self.operation is not None:
            parse_step(self.operation)
        return ErrorFilter(**self.model_dump(include=set(ExportQuery.model_fields)), older_than=older_than, limit=limit)


class SheetQuery(SheetFormat, ExportQuery):
    """The same, and how the spreadsheet is written."""


class ErrorQuery(PageOfList, ExportQuery):
    """The same, a page at a time."""


_EXAMPLE: dict[str, Any] = {"status": "resolved", "by": "Ana", "reason": "mended in Holded"}


class Mark(BaseModel):
    """What a person decided about an error."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    status: Decision
    by: KeptText = Field(default="api", min_length=1, description="Who decides; it is kept.")
    reason: KeptText = Field(default="", description="Why; it is kept.")


class BulkMark(Mark):
    """The same, about many."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [3, 5], **_EXAMPLE}]})

    ids: list[Annotated[StrictInt, Field(ge=1, le=LARGEST_ID)]] = Field(min_length=1, max_length=MAX_LIMIT)


@router.get("", responses={**problems(), **not_modified()})
def list_errors(request: Request, response: Response, query: Annotated[ErrorQuery, Query()]) -> ErrorPage:
    """Integration errors, newest first; there is a next page as long as `next_cursor` is not null."""
    older_than = None if query.cursor is None else read_cursor(query.cursor, by_start=False).id
    found = find_errors(query.resolve(older_than=older_than, limit=query.limit + 1))
    page, cursor = cut_page(request, response, found, query.limit, lambda each: Place(each.id or 0))
    return ErrorPage(errors=[IntegrationErrorAnswer.model_validate(each) for each in page], next_cursor=cursor)


@router.get(
    "/export/csv",
    response_class=Response,
    responses={**file_of("The errors that fit, newest first; no cell can carry a formula."), **problems()},
)
def export_csv(query: Annotated[SheetQuery, Query()]) -> Response:
    """Every integration error that fits, as a spreadsheet."""
    text = csv_text(errors_sheet(find_errors(query.resolve())), spanish=query.csv_format is CsvFormat.SPANISH)
    return csv_answer(text, "integration-errors.csv")


@router.patch("/bulk-update", dependencies=[OPERATE], responses=problems())
def mark_many(asked: BulkMark) -> Marked:
    """Resolve or ignore many errors; ids that no error has are named, the others are marked."""
    unknown = mark_errors(asked.ids, asked.status, by=asked.by, reason=asked.reason)
    return Marked(
        status=asked.status,
        updated=[each for each in dict.fromkeys(asked.ids) if each not in unknown],
        unknown=list(dict.fromkeys(unknown)),
    )


@router.patch("/{error_id}", dependencies=[OPERATE], responses=problems(HTTPStatus.NOT_FOUND))
def mark_one(error_id: RowId, asked: Mark) -> IntegrationErrorAnswer:
    """Resolve or ignore one error."""
    unknown = mark_errors([error_id], asked.status, by=asked.by, reason=asked.reason)
    error = find_error(error_id)
    if unknown or error is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no integration error {error_id}")
    return IntegrationErrorAnswer.model_validate(error)
