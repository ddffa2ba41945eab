"""From a posted amount back to its rule, its sessions day by day, its documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import Session, col

from steps.catalog import INVOICES
from steps.engine.contract_month import (
    DAY,
    ContractFailureError,
    ContractMonth,
    Outcome,
    Span,
    Timetable,
    owned_days,
    rule_name,
)
from steps.engine.decision_table import TABLE, decide
from steps.engine.load import Loader, due_contract, load_rules, load_services
from steps.errors import UsageError
from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod, ContractAccrual, last_closed_month
from steps.ledger.contract import Invoice
from steps.ledger.money import ZERO
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


def read_postings(session: Session, contract_id: int, month: date) -> tuple[ExplainedPosting, ...]:
    """What was posted for the contract in the month, in order of posting."""
    columns = (
        col(ServicePeriod.external_id),
        col(AccruedPeriod.accrued_amount),
        col(AccruedPeriod.accrual_portion),
        col(AccruedPeriod.sessions_accrued),
        col(AccruedPeriod.rule),
        col(AccruedPeriod.currency),
        col(AccruedPeriod.corrects),
        col(AccruedPeriod.reason),
        col(AccruedPeriod.made_by),
    )
    postings = (
        select(*columns)
        .select_from(AccruedPeriod)
        .join(ContractAccrual, col(ContractAccrual.id) == AccruedPeriod.contract_accrual_id)
        .outerjoin(ServicePeriod, col(ServicePeriod.id) == AccruedPeriod.service_period_id)
        .where(col(ContractAccrual.contract_id) == contract_id, col(AccruedPeriod.accrual_date) == month)
        .order_by(col(AccruedPeriod.id))
    )
    return tuple(ExplainedPosting(*row) for row in session.execute(postings))


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
    calculation: Calculation | None
    documents: tuple[ExplainedDocument, ...]
    notifications: tuple[str, ...]
    """What a person should look at, or why the contract cannot be processed."""

    @property
    def posted(self) -> Decimal:
        """The month's postings together."""
        return sum((posting.amount for posting in self.postings), ZERO)

    @property
    def changed_since(self) -> bool:
        """Whether documents, periods or statuses changed after the posting: today it would be another amount."""
        by_rule = [posting.amount for posting in self.postings if posting.rule != ADJUSTMENT]
        return bool(by_rule) and self.calculation is not None and self.calculation.amount != sum(by_rule, ZERO)


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
    postings = read_postings(session, contract_id, month)
    rule, calculation, notifications = _decide(session, contract_id, month, settings, closed=is_closed)
    return Explanation(
        contract=name,
        month=month,
        closed=is_closed,
        rule=_posted_rule(postings) or rule,
        postings=postings,
        calculation=calculation,
        documents=read_documents(session, contract_id, last_of_month(month), settings),
        notifications=() if postings else notifications,
    )


def _decide(
    session: Session, contract_id: int, month: date, settings: SyncSettings, *, closed: bool
) -> tuple[ExplainedRule | None, Calculation | None, tuple[str, ...]]:
    """Rule, calculation and notifications of the month today, as if it had not been decided yet."""
    days = Span(month, last_of_month(month))
    chunk = due_contract(session, days.last, contract_id)
    if chunk is None:
        return _rule(rule_name(1)), None, ()
    rules = load_rules(session, settings)
    loaded = next(Loader(session, days, counted_amount(settings), load_services(session)).load(chunk))
    try:
        if isinstance(loaded, ContractFailureError):
            raise loaded
        known = undecided(loaded.inputs, month)
        outcome = decide(known, month, rules, closed=False)
        as_it_is = decide(loaded.inputs, month, rules, closed=closed)
    except ContractFailureError as failure:
        return None, None, (failure.reason,)
    contract_month = ContractMonth.of(known, month, rules, closed=False)
    notes = (f"{note.type}: {note.message}" for one in (outcome, as_it_is) for note in one.notifications)
    return _rule(outcome.rule), _calculation(contract_month, outcome), tuple(dict.fromkeys(notes))


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
