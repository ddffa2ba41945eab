"""From a posted amount back to what it was worked out from, its rule, its sessions day by day, its documents."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import select
from sqlmodel import Session, col

from steps.catalog import INVOICES
from steps.engine.contract_month import Action, ContractFailureError, ContractMonth, Outcome, rule_name
from steps.engine.decision_table import TABLE, decide
from steps.engine.load import Loader, due_contract, load_rules, load_services
from steps.engine.post import compact, worked_out_from
from steps.engine.sessions import DAY, Span, Timetable, owned_days
from steps.errors import UsageError
from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ContractAccrual, last_closed_month
from steps.ledger.contract import Invoice
from steps.ledger.money import ZERO, to_cents
from steps.ledger.months import last_of_month
from steps.ledger.movements import counted_amount
from steps.ledger.service import ServicePeriod
from steps.reports.monthly import ContractName, contract_names
from steps.reports.waterfall import undecided
from steps.settings import SyncSettings
from tracking.models import ExecutionStatus, SyncExecution


@dataclass(frozen=True, slots=True)
class ExplainedPosting:
    """A row of `accrued_period`."""

    number: int
    """Greater than that of what was posted before it: a posting did not count an adjustment that came later."""
    period: str | None
    amount: Decimal
    portion: Decimal
    sessions: int
    rule: str
    currency: str
    corrects: date | None
    """This and what follows: of an adjustment alone."""
    reason: str | None
    made_by: str | None


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class KnownPeriod:
    """An enrollment as the ledger had it: its status is the one that it was to have, as of its date."""

    external_id: str
    start_date: date
    end_date: date
    status: str
    status_change_date: date | None
    created_on: date | None


@dataclass(frozen=True, slots=True)
class KnownPage:
    """The client's page in Notion."""

    status: str | None
    date: date | None


@dataclass(frozen=True, slots=True)
class KnownService:
    """How much is taught, and when."""

    total_sessions: int
    sessions_per_week: int
    class_weekdays: tuple[int, ...]
    """Monday 0; none: not known."""


@dataclass(frozen=True, slots=True)
class WorkedOut:
    """What a posting was worked out from, as it was kept with it, or as it would be kept today."""

    contract_date: date
    contract_status: str
    documents: tuple[tuple[date, Decimal], ...]
    """Those dated until the month's end."""
    total: Decimal
    accrued_before: Decimal
    """Adjustments of the month included."""
    remaining: Decimal
    sessions_in_month: int
    sessions_remaining: int
    """As seen from the month's first day."""
    sessions_before: int | None
    """Taught before; None: the method was `prospective`, which does not ask."""
    periods: tuple[KnownPeriod, ...]
    notion: KnownPage | None
    service: KnownService
    holidays: tuple[date, ...]
    """On class days, from the first to the last day of all periods."""
    policy: dict[str, str]
    """What was set of it."""

    @classmethod
    def read(cls, kept: Any) -> Self:
        """From the JSON of `worked_out_from`."""
        documents = tuple((date.fromisoformat(day), to_cents(Decimal(amount))) for day, amount in kept["documents"])
        total, before = sum((amount for _, amount in documents), ZERO), to_cents(Decimal(kept["before"]))
        periods = (
            KnownPeriod(name, date.fromisoformat(start), date.fromisoformat(end), status, _day(since), _day(created))
            for name, start, end, status, since, created in kept["periods"]
        )
        total_sessions, a_week, weekdays = kept["service"]
        in_month, remaining, *sessions_before = kept["sessions"]
        return cls(
            contract_date=date.fromisoformat(kept["contract"][0]),
            contract_status=kept["contract"][1],
            documents=documents,
            total=total,
            accrued_before=before,
            remaining=total - before,
            sessions_in_month=in_month,
            sessions_remaining=remaining,
            sessions_before=sessions_before[0] if sessions_before else None,
            periods=tuple(periods),
            notion=kept["notion"] and KnownPage(kept["notion"][0], _day(kept["notion"][1])),
            service=KnownService(total_sessions, a_week, tuple(weekdays)),
            holidays=tuple(map(date.fromisoformat, kept["holidays"])),
            policy=kept["policy"],
        )

    def changes(self, now: "WorkedOut") -> Iterator[str]:
        """What is another now, a line each. The contract's status is not: the month itself may have changed it."""
        then_documents, documents = Counter(self.documents), Counter(now.documents)
        for day, amount in sorted((documents - then_documents).elements()):
            yield f"a document of {day} over {amount} counts now"
        for day, amount in sorted((then_documents - documents).elements()):
            yield f"a document of {day} over {amount} no longer counts"
        for name in ("contract_date", "accrued_before"):
            yield from _change(name, getattr(self, name), getattr(now, name))
        then_periods, periods = ({each.external_id: each for each in one.periods} for one in (self, now))
        for cohort in sorted(then_periods.keys() | periods.keys()):
            yield from _changes(f"period {cohort}", then_periods.get(cohort), periods.get(cohort))
        yield from _changes("the Notion page", self.notion, now.notion)
        yield from _changes("the service", self.service, now.service)
        yield from _change("holidays on class days", _listed(self.holidays), _listed(now.holidays))
        for name in sorted(self.policy.keys() | now.policy.keys()):
            yield from _change(name, self.policy.get(name), now.policy.get(name))


def _changes(what: str, then: Any, now: Any) -> Iterator[str]:
    """Of a dataclass, field by field; None: there is none."""
    if then is None or now is None:
        if then is not now:
            yield f"{what} is {'no longer there' if now is None else 'new'}"
        return
    after = asdict(now)
    for name, value in asdict(then).items():
        yield from _change(f"{what}, {name}", value, after[name])


def _change(what: str, then: Any, now: Any) -> Iterator[str]:
    if then != now:
        yield f"{what}: {_shown(then)} then, {_shown(now)} now"


def _shown(value: Any) -> str:
    return "none" if value in (None, "", ()) else str(value)


def _listed(days: Iterable[date]) -> str:
    return ", ".join(map(str, days))


@dataclass(frozen=True, slots=True)
class ExplainedDocument:
    """A document that counts, and where it came from."""

    number: str | None
    kind: str
    day: date
    amount: Decimal
    currency: str
    execution_id: int | None
    """The latest completed import of invoices whose window holds the document's date."""
    imported_at: datetime | None


def read_postings(
    session: Session, contract_id: int, month: date
) -> tuple[tuple[ExplainedPosting, ...], WorkedOut | None]:
    """What was posted for the contract in the month, in order of posting; and what the table worked it out from."""
    columns = (
        col(AccruedPeriod.id),
        col(ServicePeriod.external_id),
        col(AccruedPeriod.accrued_amount),
        col(AccruedPeriod.accrual_portion),
        col(AccruedPeriod.sessions_accrued),
        col(AccruedPeriod.rule),
        col(AccruedPeriod.currency),
        col(AccruedPeriod.corrects),
        col(AccruedPeriod.reason),
        col(AccruedPeriod.made_by),
        col(AccruedPeriod.worked_out),
    )
    postings = (
        select(*columns)
        .select_from(AccruedPeriod)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .outerjoin(ServicePeriod, col(ServicePeriod.id) == AccruedPeriod.service_period_id)
        .where(col(ContractAccrual.contract_id) == contract_id, col(AccruedPeriod.accrual_date) == month)
        .order_by(col(AccruedPeriod.id))
    )
    rows = session.execute(postings).all()
    kept = next((WorkedOut.read(row.worked_out) for row in rows if row.worked_out is not None), None)
    return tuple(ExplainedPosting(*row[:-1]) for row in rows), kept


def read_documents(
    session: Session, contract_id: int, until: date, settings: SyncSettings
) -> tuple[ExplainedDocument, ...]:
    """The documents of the contract up to a day that are not void, by date."""
    documents = (
        select(
            col(Invoice.invoice_number),
            col(Invoice.kind),
            col(Invoice.invoice_date),
            counted_amount(settings),
            col(Invoice.currency),
        )
        .where(col(Invoice.service_contract_id) == contract_id)
        .where(col(Invoice.voided_at).is_(None), col(Invoice.invoice_date) <= until)
        .order_by(col(Invoice.invoice_date), col(Invoice.id))
    )
    rows = session.execute(documents).all()
    imports = _imports(session, [day for _, _, day, _, _ in rows])
    return tuple(
        ExplainedDocument(number, kind, day, amount, currency, *_import_of(imports, day))
        for number, kind, day, amount, currency in rows
    )


def _imports(session: Session, days: Sequence[date]) -> Sequence[SyncExecution]:
    """The completed imports of invoices whose windows may hold any of the days, newest first."""
    if not days:
        return ()
    completed = (
        select(SyncExecution)
        .where(col(SyncExecution.step_name) == INVOICES.id, col(SyncExecution.status) == ExecutionStatus.COMPLETED)
        .where(col(SyncExecution.window_start) <= max(days), col(SyncExecution.window_end) > min(days))
        .order_by(col(SyncExecution.id).desc())
    )
    return session.scalars(completed).all()


def _import_of(imports: Sequence[SyncExecution], day: date) -> tuple[int | None, datetime | None]:
    for execution in imports:
        start, end = execution.window_start, execution.window_end
        if start is not None and end is not None and start <= day < end:
            return execution.id, execution.completed_at
    return None, None


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """A row of the decision table, in words."""

    row: int
    condition: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SessionDay:
    """A day in force."""

    day: date
    period: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Calculation:
    """What the month's amount is worked out from, as the ledger is today."""

    total: Decimal
    accrued_before: Decimal
    remaining: Decimal
    sessions_in_month: int
    sessions_remaining: int
    days: tuple[SessionDay, ...]
    amount: Decimal
    """What the rule comes to today."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole chain."""

    contract: ContractName
    month: date
    closed: bool
    rule: ExplainedRule | None
    """None for a contract that cannot be processed."""
    postings: tuple[ExplainedPosting, ...]
    worked_out: WorkedOut | None
    """What the postings were worked out from; None: there are none by the table, or they are older than this record."""
    changes: tuple[str, ...]
    """What is another now than it was then, a line each."""
    calculation: Calculation | None
    documents: tuple[ExplainedDocument, ...]
    notifications: tuple[str, ...]
    """What a person should look at, or why the contract cannot be processed."""

    @property
    def posted(self) -> Decimal:
        """The month's postings together."""
        return sum((posting.amount for posting in self.postings), ZERO)

    @property
    def by_rule(self) -> tuple[ExplainedPosting, ...]:
        """Those of the decision table."""
        return tuple(posting for posting in self.postings if posting.rule != ADJUSTMENT)

    @property
    def changed_since(self) -> bool:
        """Whether today it would be another amount."""
        by_rule = sum((posting.amount for posting in self.by_rule), ZERO)
        return bool(self.by_rule) and self.calculation is not None and self.calculation.amount != by_rule

    @property
    def formula(self) -> tuple[str, ...]:
        """How each posting of the table comes from what was kept, to be done again by hand (The amount)."""
        kept = self.worked_out
        if kept is None or self.rule is None:
            return ()
        if self.rule.outcome == Action.POST_ALL or not kept.sessions_remaining:
            why = "no session is left" if self.rule.outcome == Action.POST_MONTH else "all that remains"
            return (f"{why}: {kept.total} - {kept.accrued_before} = {kept.remaining}",)
        return tuple(_formulas(kept, self.by_rule))


def explain(session: Session, contract_id: int, month: date, settings: SyncSettings) -> Explanation:
    """Why this contract has what it has in this month (its first day).

    Raises:
        UsageError: there is no such contract.
    """
    name = contract_names(session, [contract_id]).get(contract_id)
    if name is None:
        raise UsageError(f"there is no contract {contract_id}: `sync-actions report accruals` lists them")
    closed = last_closed_month(session)
    is_closed = closed is not None and month <= closed
    postings, kept = read_postings(session, contract_id, month)
    today = _decide(session, contract_id, month, settings, closed=is_closed)
    return Explanation(
        contract=name,
        month=month,
        closed=is_closed,
        rule=_posted_rule(postings) or today.rule,
        postings=postings,
        worked_out=kept,
        changes=() if kept is None else _changes_since(kept, today),
        calculation=today.calculation,
        documents=read_documents(session, contract_id, last_of_month(month), settings),
        notifications=() if postings else today.notifications,
    )


def _formulas(kept: WorkedOut, postings: Sequence[ExplainedPosting]) -> Iterator[str]:
    """The first n periods together get the amount for the sessions of those n; each alone what that adds."""
    catch_up = kept.sessions_before is not None
    sessions, before = kept.sessions_before or 0, kept.accrued_before if catch_up else ZERO
    whole, of = (kept.total if catch_up else kept.remaining), kept.sessions_remaining + sessions
    for posting in postings:
        taught = f"({sessions} + {posting.sessions})" if sessions else f"{posting.sessions}"
        less = f" - {before}" if sessions or before else ""
        yield f"{whole} x {taught} / {of}{less} = {posting.amount}"
        sessions, before = sessions + posting.sessions, before + posting.amount


def _changes_since(kept: WorkedOut, today: "_Today") -> tuple[str, ...]:
    if today.worked_out is None:
        return today.notifications or ("the contract begins after the month now",)
    return tuple(kept.changes(today.worked_out))


@dataclass(frozen=True, slots=True)
class _Today:
    """The month as if it had not been decided yet."""

    rule: ExplainedRule | None = None
    calculation: Calculation | None = None
    notifications: tuple[str, ...] = ()
    worked_out: WorkedOut | None = None


def _decide(session: Session, contract_id: int, month: date, settings: SyncSettings, *, closed: bool) -> _Today:
    days = Span(month, last_of_month(month))
    chunk = due_contract(session, days.last, contract_id)
    if chunk is None:
        return _Today(_rule(rule_name(1)))
    rules = load_rules(session, settings)
    loaded = next(Loader(session, days, counted_amount(settings), load_services(session)).load(chunk))
    try:
        if isinstance(loaded, ContractFailureError):
            raise loaded
        known = undecided(loaded.inputs, month)
        outcome = decide(known, month, rules, closed=False)
        as_it_is = decide(loaded.inputs, month, rules, closed=closed)
    except ContractFailureError as failure:
        return _Today(notifications=(failure.reason,))
    contract_month = ContractMonth.of(known, month, rules, closed=False)
    notes = (f"{note.type}: {note.message}" for one in (outcome, as_it_is) for note in one.notifications)
    kept = json.loads(worked_out_from(known, contract_month.sessions, rules, compact(settings.policy)))
    return _Today(
        _rule(outcome.rule),
        _calculation(contract_month, outcome),
        tuple(dict.fromkeys(notes)),
        WorkedOut.read(kept),
    )


def _calculation(contract_month: ContractMonth, outcome: Outcome) -> Calculation:
    return Calculation(
        total=contract_month.total,
        accrued_before=contract_month.inputs.accrual.accrued_before,
        remaining=contract_month.remaining,
        sessions_in_month=contract_month.sessions.in_month,
        sessions_remaining=contract_month.sessions.remaining,
        days=_session_days(contract_month),
        amount=outcome.amount,
    )


def _session_days(contract_month: ContractMonth) -> tuple[SessionDay, ...]:
    """Each day in force in the month, with the period that owns it."""
    timetable = Timetable(contract_month.inputs.service, contract_month.rules.sorted_holidays)
    days = (
        SessionDay(day, period.external_id, timetable.sessions(period, Span(day, day)))
        for period, own in owned_days(contract_month.periods)
        for span in own
        if (part := span.within(*contract_month.month))
        for number in range((part.last - part.first).days + 1)
        for day in [part.first + number * DAY]
    )
    return tuple(sorted(days, key=lambda each: each.day))


def _posted_rule(postings: tuple[ExplainedPosting, ...]) -> ExplainedRule | None:
    return next((_rule(posting.rule) for posting in postings if posting.rule != ADJUSTMENT), None)


def _rule(name: str) -> ExplainedRule | None:
    found = (rule for rule in TABLE if rule.name == name)
    return next((ExplainedRule(rule.number, rule.condition, rule.action.value) for rule in found), None)
