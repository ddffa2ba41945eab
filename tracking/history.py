"""What happened, for the command line, the API and the page: executions by any filter, and plans that were kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    Column,
    ColumnElement,
    CompoundSelect,
    Label,
    ScalarSelect,
    and_,
    case,
    literal,
    literal_column,
    or_,
    tuple_,
    union_all,
)
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from tracking.database import read_session, tracking_session
from tracking.models import (
    OPEN_STATUSES,
    ExecutionStatus,
    IntegrationError,
    SyncExecution,
    UtcDateTime,
    utc_now,
)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_MOST_ROWS = MAX_LIMIT + 1
"""One more than a page, which tells whether there is another."""
_CLOCKS_DIFFER = timedelta(days=1)
"""Of two executions that machines recorded further apart than this, the later one has the larger id."""


@dataclass(frozen=True)
class Place:
    """A place in the history: its list goes on with what is older than this execution."""

    id: int
    started_at: datetime | None = None
    """Only in lists that are in order of start."""


@dataclass(frozen=True)
class HistoryFilter:
    """Which executions are wanted; None means any. Times are aware.

    `since` is included, `until` is not; both look at the creation. `started_after` and `started_before` are both
    excluded, and leave out what never started.
    """

    step_name: str | None = None
    status: str | None = None
    flow_run_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    older_than: Place | None = None
    limit: int = DEFAULT_LIMIT

    @property
    def by_start(self) -> bool:
        """Whether the list is in order of start, so that an index answers for any stretch of time."""
        return self.started_after is not None or self.started_before is not None

    def place_of(self, execution: SyncExecution) -> Place:
        """Where the list goes on after this execution."""
        return Place(execution.id or 0, execution.started_at if self.by_start else None)


def find_executions(wanted: HistoryFilter) -> list[SyncExecution]:
    """Executions that fit, newest first."""
    with read_session() as session:
        return list(session.exec(history_query(wanted)))


def history_query(wanted: HistoryFilter) -> SelectOfScalar[SyncExecution]:
    """The query of a list; every filter and either order has its index (`tracking/models.py`)."""
    query = select(SyncExecution).limit(min(wanted.limit, _MOST_ROWS))
    query = query.where(*_equal(wanted))
    query = _recorded(query, wanted)
    if wanted.by_start:
        return _in_order_of_start(query, wanted)
    if wanted.older_than:
        query = query.where(col(SyncExecution.id) < wanted.older_than.id)
    return query.order_by(col(SyncExecution.id).desc())


def _equal(wanted: HistoryFilter) -> Iterator[ColumnElement[bool]]:
    """A run has few rows, and its index finds them: the others are hidden from a planner that knows no better."""
    if wanted.flow_run_id is not None:
        yield col(SyncExecution.flow_run_id) == wanted.flow_run_id
    for name in ("step_name", "status"):
        if (value := getattr(wanted, name)) is not None:
            column = getattr(SyncExecution, name)
            yield (column if wanted.flow_run_id is None else func.coalesce(column, "")) == value


def _recorded(query: SelectOfScalar[SyncExecution], wanted: HistoryFilter) -> SelectOfScalar[SyncExecution]:
    """Since and until. Ids grow with time, so a list in order of id need not look at what is older or newer by far."""
    number, created = col(SyncExecution.id), col(SyncExecution.created_at)
    if wanted.since:
        about = select(number).where(created >= wanted.since - _CLOCKS_DIFFER).order_by(created, number).limit(1)
        query = query.where(created >= wanted.since, number >= about.scalar_subquery())
    if wanted.until:
        before = select(number).where(created < wanted.until + _CLOCKS_DIFFER).order_by(created.desc(), number.desc())
        query = query.where(created < wanted.until, number <= before.limit(1).scalar_subquery())
    return query


def _in_order_of_start(query: SelectOfScalar[SyncExecution], wanted: HistoryFilter) -> SelectOfScalar[SyncExecution]:
    started, number = col(SyncExecution.started_at), col(SyncExecution.id)
    if wanted.started_after:
        query = query.where(started > wanted.started_after)
    if wanted.started_before:
        query = query.where(started < wanted.started_before)
    if wanted.older_than:
        place = literal(wanted.older_than.started_at, UtcDateTime()), literal(wanted.older_than.id)
        query = query.where(tuple_(started, number) < tuple_(*place))
    return query.order_by(started.desc(), number.desc())


def find_execution(execution_id: int) -> SyncExecution | None:
    """One execution."""
    with read_session() as session:
        return session.get(SyncExecution, execution_id)


def latest_month() -> date | None:
    """The latest month that any execution is of."""
    with read_session() as session:
        return session.exec(select(func.max(SyncExecution.window_start))).one()


def executions_of_run(flow_run_id: str) -> list[SyncExecution]:
    """The newest execution of each step and month of one flow run, over all its attempts, as they were planned."""
    newest = (
        select(func.max(col(SyncExecution.id)))
        .where(SyncExecution.flow_run_id == flow_run_id)
        .group_by(col(SyncExecution.step_name), col(SyncExecution.window_start))
    )
    with read_session() as session:
        return list(
            session.exec(select(SyncExecution).where(col(SyncExecution.id).in_(newest)).order_by(col(SyncExecution.id)))
        )


@dataclass(frozen=True)
class RunSummary:
    """The executions of one run that fit a filter; one of no run stands for itself."""

    flow_run_id: str | None
    first_id: int
    last_id: int
    """The least and the greatest of their ids."""
    step_name: str
    steps: int
    """How many different ones; of several, `step_name` is any of them."""
    first_month: date | None
    last_month: date | None
    count: int
    failed: int
    open: int
    """How many have failed, and how many are pending or running."""
    started_at: datetime | None
    completed_at: datetime | None
    reason: str
    """Of one that has failed; empty if none has."""


_OF_RUNS = (
    col(SyncExecution.id),
    col(SyncExecution.flow_run_id),
    col(SyncExecution.step_name),
    col(SyncExecution.window_start),
    col(SyncExecution.status),
    col(SyncExecution.started_at),
    col(SyncExecution.completed_at),
    col(SyncExecution.error_message),
)
MOST_IN_RUNS = 10_000
"""Executions that `find_runs` looks at."""


def find_runs(wanted: HistoryFilter) -> list[RunSummary]:
    """The newest executions that fit, by run, the newest run first; of the filter's `limit` nothing is read."""
    one = history_query(wanted).with_only_columns(*_OF_RUNS).limit(MOST_IN_RUNS).subquery().c
    failed = one.status == ExecutionStatus.FAILED
    query = (
        sa_select(
            one.flow_run_id,
            func.min(one.id),
            func.max(one.id),
            func.min(one.step_name),
            func.count(one.step_name.distinct()),
            func.min(one.window_start),
            func.max(one.window_start),
            func.count(),
            func.sum(case((failed, 1), else_=0)),
            func.sum(case((one.status.in_(OPEN_STATUSES), 1), else_=0)),
            func.min(one.started_at),
            func.max(one.completed_at),
            func.coalesce(func.min(case((failed, one.error_message))), ""),
        )
        .group_by(one.flow_run_id, case((one.flow_run_id.is_(None), one.id)))
        .order_by(func.max(one.id).desc())
    )
    with read_session() as session:
        return [RunSummary(*row) for row in session.execute(query)]


def newest_and_open() -> tuple[int, tuple[tuple[int, str], ...]]:
    """The newest execution's id, and id and status of those that are pending or running.

    No execution changes that is neither: what equals an earlier answer says that the history is as it was.
    """
    number, status = col(SyncExecution.id), col(SyncExecution.status)
    going_on = select(number, status).where(status.in_(OPEN_STATUSES)).order_by(number)
    with read_session() as session:
        newest = session.exec(select(func.max(number))).one() or 0
        return newest, tuple((each or 0, what) for each, what in session.exec(going_on))


@dataclass(frozen=True)
class ErrorCount:
    """How many pending integration errors of one kind there are."""

    operation: str
    entity_type: str
    count: int


def pending_errors_by_kind(execution_ids: Sequence[int]) -> list[ErrorCount]:
    """Pending integration errors that these executions met, most frequent first."""
    amount = func.count(col(IntegrationError.id))
    query = (
        select(IntegrationError.operation, IntegrationError.entity_type, amount)
        .where(col(IntegrationError.sync_execution_id).in_(execution_ids), IntegrationError.status == "pending")
        .group_by(IntegrationError.operation, IntegrationError.entity_type)
        .order_by(amount.desc(), IntegrationError.operation, IntegrationError.entity_type)
    )
    with read_session() as session:
        return [ErrorCount(*row) for row in session.exec(query)]


StepMonth = tuple[str, date | None]
"""Step id and first of the month (None: a step that is called once a run)."""


@dataclass(frozen=True)
class StepMonthHistory:
    """The newest execution of a (step, month), and the newest that completed."""

    newest: SyncExecution
    newest_completed: SyncExecution | None
    newest_retry: SyncExecution | None = None
    """The newest that completed of those that tried just some of its records again."""


def step_month_histories(session: Session, step_names: tuple[str, ...]) -> dict[StepMonth, StepMonthHistory]:
    """What is known of every (step, month) of these steps that was ever executed whole.

    It takes as long as there are months, however often each was executed.
    """
    found = [row for row in session.execute(newest_ids_query(step_names)) if row.newest is not None]
    numbers = {number for row in found for number in (row.newest, row.completed, row.retried) if number is not None}
    rows = {row.id: row for row in session.exec(select(SyncExecution).where(col(SyncExecution.id).in_(numbers)))}
    return {
        (row.step, row.month): StepMonthHistory(rows[row.newest], rows.get(row.completed), rows.get(row.retried))
        for row in sorted(found, key=lambda row: int(row.newest))
    }


@cache
def newest_ids_query(step_names: tuple[str, ...]) -> CompoundSelect[Any]:
    """Each month of these steps, and once without a month, with three ids.

    They are those of its newest execution, of its newest that completed, and of its newest that completed of just some
    records; null if there is none. Each is one look into an index of its own (`tracking/models.py`).
    """
    months = _months(step_names)

    def ids(*, once: bool) -> Iterator[Label[Any]]:
        return (_newest(months, which, once=once).label(name) for name, which in _WHICH.items())

    once = select(months.c.step, months.c.month, *ids(once=True))
    by_month = select(months.c.step, months.c.month, *ids(once=False))
    return once.where(months.c.month.is_(None)).union_all(by_month.where(months.c.month.is_not(None)))


def _months(step_names: tuple[str, ...]) -> CTE:
    """From each step's first month to its next one and so on: the index is never read as a whole.

    After the last month of a step comes null, which is also the month of those that are executed once a run.
    """
    steps = union_all(*(select(literal(name).label("step")) for name in step_names)).subquery("steps")
    first = aliased(SyncExecution)
    month = select(func.min(col(first.window_start))).where(col(first.step_name) == steps.c.step, _whole(first))
    months = select(steps.c.step, month.scalar_subquery().label("month")).cte("months", recursive=True)
    after = aliased(SyncExecution)
    later = (
        select(func.min(col(after.window_start)))
        .where(col(after.step_name) == months.c.step, col(after.window_start) > months.c.month, _whole(after))
        .scalar_subquery()
    )
    return months.union_all(select(months.c.step, later).where(months.c.month.is_not(None)))


def _whole(execution: type[SyncExecution]) -> ColumnElement[bool]:
    return col(execution.records).is_(None)


def _completed(execution: type[SyncExecution]) -> ColumnElement[bool]:
    """As a literal, by which databases know their partial indexes."""
    return col(execution.status) == literal_column(f"'{ExecutionStatus.COMPLETED}'")


_WHICH: dict[str, Callable[[type[SyncExecution]], ColumnElement[bool]]] = {
    "newest": _whole,
    "completed": lambda execution: and_(_whole(execution), _completed(execution)),
    "retried": lambda execution: and_(~_whole(execution), _completed(execution)),
}


def _newest(
    months: CTE, which: Callable[[type[SyncExecution]], ColumnElement[bool]], *, once: bool
) -> ScalarSelect[int | None]:
    one = aliased(SyncExecution)
    month = col(one.window_start)
    return (
        select(func.max(col(one.id)))
        .where(col(one.step_name) == months.c.step, month.is_(None) if once else month == months.c.month, which(one))
        .scalar_subquery()
    )


def open_executions(session: Session, months: Iterable[StepMonth]) -> list[SyncExecution]:
    """Executions of these steps and months that are pending or running, whole ones only, oldest first."""
    step, month = col(SyncExecution.step_name), col(SyncExecution.window_start)
    which = [
        and_(step == step_name, month.is_(None) if first is None else month == first) for step_name, first in months
    ]
    query = (
        select(SyncExecution)
        .where(col(SyncExecution.status).in_(OPEN_STATUSES), col(SyncExecution.records).is_(None), or_(*which))
        .order_by(col(SyncExecution.id))
    )
    return list(session.exec(query))


class SyncPlan(SQLModel, table=True):
    """One plan: the step runs to do, and what was known of each when it was made."""

    __tablename__ = "sync_plan"

    id: int | None = Field(default=None, primary_key=True)
    span_start: date
    span_end: date
    """Exclusive."""
    cells: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    """Each with `step`, `month` (or null), `state` and `execution_id` (or null), in order."""
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


def save_plan(plan: SyncPlan) -> int:
    """Keep a plan. Returns its id."""
    with tracking_session() as session:
        session.add(plan)
        session.flush()
        return plan.id or 0


def find_plan(plan_id: int) -> SyncPlan | None:
    """A plan by its id."""
    with read_session() as session:
        return session.get(SyncPlan, plan_id)
