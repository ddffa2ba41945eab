"""Services: how much each teaches and when, which is the academy's own to say."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from flows.api.lists import RowId, TaggedRoute
from flows.api.problems import not_modified, problems
from flows.api.schemas import KeptText
from flows.api.security import CLOSE, READ
from steps.closing import Signature
from steps.errors import UsageError
from steps.reports.export import as_json
from steps.teaching import FIELDS, AskedTeaching, list_services, set_teaching
from tracking.database import read_session

router = APIRouter(prefix="/api/services", tags=["services"], dependencies=[READ], route_class=TaggedRoute)


class TeachingRequest(BaseModel):
    """What is to be another; a field that is not sent stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"class_weekdays": [0, 2], "by": "Ana", "reason": "the timetable of 2025"}]},
    )

    total_sessions: StrictInt | None = Field(default=None, description="Of a whole course, at the most.")
    sessions_per_week: StrictInt | None = None
    class_weekdays: list[StrictInt] | None = Field(
        default=None, max_length=7, description="Monday 0; null: not known, and sessions are spread over the days."
    )
    by: KeptText = Field(default="api", min_length=1)
    reason: KeptText = Field(default="", description="Needed, but for a preview.")
    preview: bool = Field(default=False, description="Say what would be another, and change nothing.")


@router.get("", responses={**problems(), **not_modified()})
def show_services() -> list[dict[str, Any]]:
    """Every service: sessions, class weekdays, and who changed them and why."""
    with read_session() as session:
        return list_services(session)


@router.patch("/{row_id}", dependencies=[CLOSE], responses=problems())
def change_service(row_id: RowId, asked: TeachingRequest) -> dict[str, Any]:
    """Set sessions or class weekdays: what later months are accrued by. `changed`: before and after, if it differs."""
    if not asked.by.strip():
        raise UsageError("by is blank: who says so stays in the books")
    sent = {name: getattr(asked, name) for name in FIELDS if name in asked.model_fields_set}
    signed = Signature(asked.by.strip(), asked.reason)
    changed = set_teaching([AskedTeaching("the request", row_id, sent)], signed, preview=asked.preview)
    return {"preview": asked.preview, "changed": as_json(changed)}
