"""The books: what waits for a person, why an amount is what it is, what a person puts right, and what was closed.

And services: how much each teaches and when, which is the academy's own to say.
"""

from datetime import date
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr
from starlette.concurrency import run_in_threadpool

from flows.api.lists import LARGEST_ID, RowId, TaggedRoute
from flows.api.problems import not_modified, problems
from flows.api.routes.accruals import Month, MonthText
from flows.api.runs import (
    AppSettings,
    AppStarter,
    require_completed,
)
from flows.api.schemas import Accepted, KeptText, OverrideText
from flows.api.security import CLOSE, READ
from flows.events import MONTH_CLOSED, MONTH_REOPENED, tell_months
from flows.parameters import parse_month
from flows.runs import RunStatus, request_redo
from steps.catalog import ACCRUALS
from steps.closing import (
    Candidate,
    Signature,
    close_month,
    find_blockers,
    find_close,
    reopen_month,
    trail_json,
    verification_json,
    verify,
)
from steps.context import StepContext
from steps.corrections import Adjustment, adjust, dismiss, parse_adjustment
from steps.engine.gate import LONGEST_REASON, Override
from steps.errors import SyncError, UsageError
from steps.opening_balances import (
    BalanceFile,
    load_opening_balances,
    loads_of_opening_balances,
    revert_opening_balances,
)
from steps.redo import AskedRedo, Redone, preview_redo, read_redone
from steps.reports.explain import explain
from steps.reports.export import as_json
from steps.reports.worklist import worklist
from steps.settings import SyncSettings
from steps.teaching import FIELDS, AskedTeaching, list_services, set_teaching
from tracking.database import read_session
from tracking.models import utc_now

router = APIRouter(prefix="/api/accruals", tags=["accruals"], dependencies=[READ], route_class=TaggedRoute)

ContractId = Annotated[StrictInt, Field(ge=1, le=LARGEST_ID)]


class Signed(BaseModel):
    """Who asks, and why: both stay in the books."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"reason": "the file was of another year", "by": "Ana"}]},
    )

    reason: KeptText = Field(default="", description="Needed, but for a preview.")
    by: KeptText = Field(default="api", min_length=1)

    @property
    def signature(self) -> Signature:
        """As the books have it.

        Raises:
            UsageError: nobody signs.
        """
        if not self.by.strip():
            raise UsageError("by is blank: who says so stays in the books")
        return Signature(self.by.strip(), self.reason)


class RedoRequest(Signed):
    """An open month that is to be processed again, with every later one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"month": "2024-03", "reason": "an enrollment came late", "preview": True}]}
    )

    month: MonthText
    preview: bool = Field(default=False, description="Say what it would change, and change nothing.")
    override: OverrideText = None


class AdjustRequest(Signed):
    """An amount to be posted by hand."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"contract_id": 17, "amount": "-25.00", "reason": "taught twice"}]}
    )

    contract_id: ContractId
    amount: StrictStr | StrictInt | StrictFloat = Field(
        description="So much more is accrued; a negative one gives back to what remains. Best as a text."
    )
    corrects: MonthText | None = Field(default=None, description="The month that it corrects.")
    preview: bool = Field(default=False, description="Say what it would do, and do nothing.")


class ReopenRequest(Signed):
    """A closed month that is to be opened again, with every later one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"month": "2024-03", "reason": "a credit came late"}]})

    month: MonthText
    reason: KeptText = Field(description="It stays in the books.")


class CloseRequest(Signed):
    """A month to which nothing is to be posted any more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"month": "2024-03", "by": "Ana"}]})

    month: MonthText
    reason: KeptText = ""
    preview: bool = Field(default=False, description="Say what is in the way, and close nothing.")


class DismissRequest(Signed):
    """A contract whose `accrued_before_enrollment` is not to be told again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"contract_id": 17, "reason": "the course was given before"}]}
    )

    contract_id: ContractId


class BalancesRequest(Signed):
    """A CSV of what was deferred of each contract when the ledger began."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "month": "2024-01",
                    "csv": "email,service,amount,currency\nana@example.org,70500001,400.00,EUR\n",
                    "reason": "taken over from the old books",
                    "preview": True,
                }
            ]
        }
    )

    month: MonthText
    csv: str = Field(max_length=500_000, pattern=r"^[^\x00]*$", description="As `opening-balances load` takes it.")
    file_name: str = Field(
        default="request.csv",
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="What the trail calls it.",
    )
    preview: bool = Field(default=False, description="Check every line, and take nothing.")


@router.get("/opening-balances", responses={**problems(), **not_modified()})
def show_loads() -> dict[str, Any]:
    """Every load of opening balances there ever was, and what became of it."""
    return {"loads": [each.model_dump(mode="json") for each in loads_of_opening_balances()]}


@router.post("/opening-balances", dependencies=[CLOSE], responses=problems())
def load_balances(asked: BalancesRequest, settings: AppSettings) -> dict[str, Any]:
    """Take deferred revenue by contract, every line or none, or with `preview` say what would be taken."""
    file = BalanceFile(asked.file_name, asked.csv, parse_month(asked.month))
    done = load_opening_balances(file, asked.signature, settings, preview=asked.preview)
    return dict(as_json(done)) | {"totals": as_json(done.totals)}


@router.post("/opening-balances/{row_id}/revert", dependencies=[CLOSE], responses=problems())
def revert_load(row_id: RowId, asked: Signed, settings: AppSettings) -> dict[str, Any]:
    """Take out again what a load brought; the next month that is accrued takes back what was accrued of it."""
    return revert_opening_balances(row_id, asked.signature, settings).model_dump(mode="json")


@router.get("/worklist", responses={**problems(), **not_modified()})
def show_worklist(settings: AppSettings) -> dict[str, Any]:
    """Everything that waits for a person after the last month that was accrued: `items`, and `totals` by kind.

    An item has `kind`, `contract` (client, email, id, service), `amount` (a text), `currency`, `reason`, `since` and
    `age_days`.
    """
    with read_session() as session:
        return dict(as_json(worklist(session, settings, _today(settings))))


@router.get("/explain", responses={**problems(), **not_modified()})
def show_explanation(
    contract_id: Annotated[int, Query(ge=1, le=LARGEST_ID)], month: Month, settings: AppSettings
) -> dict[str, Any]:
    """Why a contract has what it has in a month: postings, rule, calculation, documents."""
    with read_session() as session:
        return dict(as_json(explain(session, contract_id, parse_month(month), settings)))


@router.post(
    "/redo",
    dependencies=[CLOSE],
    responses={
        202: {
            "model": Accepted,
            "description": "Started, as `Prefer: respond-async` asked, or no worker takes it; `Location` says where.",
        },
        **problems(HTTPStatus.CONFLICT),
    },
)
async def do_again(
    asked: RedoRequest,
    settings: AppSettings,
    starter: AppStarter,
) -> Any:
    """Process an open month and every later one again, or with `preview` say what that would change.

    `contracts` are those that come out differently (`old`, `new`, `difference`, `why`, and the `months` that differ),
    `totals` are by currency. It is a run in Prefect, with an execution of the accruals for each month, and is answered
    when it is done.
    """
    wanted = await run_in_threadpool(AskedRedo.of, parse_month(asked.month), asked.signature, _today(settings))
    override = None if asked.override is None else Override.of(asked.override, wanted.by.who)
    if asked.preview:
        return as_json(await run_in_threadpool(_preview, wanted, settings, override))
    wanted.require_reason()
    request = request_redo(wanted.months[0], wanted.by, asked.override)
    answer = await starter.run(request, ACCRUALS)
    if not isinstance(answer, RunStatus):
        return answer
    require_completed(answer)
    return as_json(await run_in_threadpool(read_redone, answer.executions))


def _preview(wanted: AskedRedo, settings: SyncSettings, override: Override | None) -> Redone:
    with StepContext(settings=settings) as context:
        return preview_redo(context.of_execution(None, override=override), wanted)


@router.post("/adjust", dependencies=[CLOSE], responses=problems())
def post_adjustment(asked: AdjustRequest, settings: AppSettings) -> dict[str, Any]:
    """Post an amount by hand in the first open month, or with `preview` say what it would do."""
    corrects = None if asked.corrects is None else parse_month(asked.corrects)
    adjustment = Adjustment(asked.contract_id, parse_adjustment(str(asked.amount)), corrects)
    return dict(as_json(adjust(adjustment, asked.signature, _today(settings), preview=asked.preview)))


@router.post("/dismiss", dependencies=[CLOSE], responses=problems())
def dismiss_notification(asked: DismissRequest) -> dict[str, Any]:
    """Let what was accrued before an enrollment stand; what is accrued so after `until` is told again."""
    return {"contract_id": asked.contract_id, "until": dismiss(asked.contract_id, asked.signature).isoformat()}


@router.post("/close", dependencies=[CLOSE], responses=problems(HTTPStatus.CONFLICT))
def close(asked: CloseRequest, settings: AppSettings) -> dict[str, Any]:
    """Close a month, or with `preview` say what is in the way: `blockers`, and the `hash` once it is closed."""
    candidate = Candidate(parse_month(asked.month), _today(settings), settings)
    answer: dict[str, Any] = {"month": asked.month, "hash": None, "blockers": []}
    if asked.preview:
        with read_session() as session:
            return answer | {"blockers": [each.message for each in find_blockers(session, candidate)]}
    closed = close_month(candidate, asked.signature)
    tell_months(MONTH_CLOSED, [candidate.month])
    return answer | {"hash": closed.hash}


@router.post("/reopen", dependencies=[CLOSE], responses=problems())
def reopen(asked: ReopenRequest) -> dict[str, Any]:
    """Open a closed month again, and those after it: `months`."""
    opened = reopen_month(parse_month(asked.month), asked.signature)
    tell_months(MONTH_REOPENED, opened)
    return {"months": [f"{month:%Y-%m}" for month in opened]}


@router.get("/verify", responses={**problems(), **not_modified()})
def verify_closes(
    expect: Annotated[
        str | None, Query(max_length=LONGEST_REASON, description="A close's hash kept elsewhere.")
    ] = None,
) -> dict[str, Any]:
    """Work out every close again: `verified`, the first `difference`, and whether the hash expected stands."""
    with read_session() as session:
        found = verify(session)
        answer = verification_json(found)
        if expect is not None:
            answer["expected"] = {"stands": True, "how": ""}
            try:
                answer["expected"]["how"] = find_close(session, found, expect)
            except UsageError:
                raise
            except SyncError as error:
                answer["expected"] = {"stands": False, "how": str(error)}
    return answer


@router.get("/closings", responses={**problems(), **not_modified()})
def show_closings() -> dict[str, Any]:
    """The trail: every closing and reopening there ever was, with who, when, why and the hash."""
    with read_session() as session:
        return {"closings": trail_json(session)}


def _today(settings: SyncSettings) -> date:
    return utc_now().astimezone(settings.zone).date()


services = APIRouter(prefix="/api/services", tags=["services"], dependencies=[READ], route_class=TaggedRoute)


class TeachingRequest(Signed):
    """What is to be another; a field that is not sent stays as it is."""

    model_config = ConfigDict(
        strict=False,
        json_schema_extra={"examples": [{"class_weekdays": [0, 2], "by": "Ana", "reason": "the timetable of 2025"}]},
    )

    total_sessions: StrictInt | None = Field(default=None, description="Of a whole course, at the most.")
    sessions_per_week: StrictInt | None = None
    class_weekdays: list[StrictInt] | None = Field(
        default=None, max_length=7, description="Monday 0; null: not known, and sessions are spread over the days."
    )
    preview: bool = Field(default=False, description="Say what would be another, and change nothing.")


@services.get("", responses={**problems(), **not_modified()})
def show_services() -> list[dict[str, Any]]:
    """Every service: sessions, class weekdays, and who changed them and why."""
    with read_session() as session:
        return list_services(session)


@services.patch("/{row_id}", dependencies=[CLOSE], responses=problems())
def change_service(row_id: RowId, asked: TeachingRequest) -> dict[str, Any]:
    """Set sessions or class weekdays: what later months are accrued by. `changed`: before and after, if it differs."""
    sent = {name: getattr(asked, name) for name in FIELDS if name in asked.model_fields_set}
    changed = set_teaching([AskedTeaching("the request", row_id, sent)], asked.signature, preview=asked.preview)
    return {"preview": asked.preview, "changed": as_json(changed)}
