"""Everything that waits for a person: with its amount, the reason, and since when (docs/accrual-rules.md, Reports).

It is as of the last month that was accrued, with what is known now. What it sums up to, but for what was accrued before
an enrollment, is what the waterfall of that month calls "not scheduled".
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import func, select
from sqlmodel import Session, col

from steps.catalog import ACCRUALS
from steps.engine.contract_month import (
    AccrualRules,
    ContractFailureError,
    ContractInputs,
    ContractMonth,
    NotificationType,
)
from steps.engine.decision_table import decide
from steps.engine.load import Loader, due_chunks, load_rules, load_services
from steps.engine.post import ContractFailures
from steps.engine.sessions import Span, change_date
from steps.engine.settled import DOCUMENT, settled_cents
from steps.ledger.accrual import ADJUSTMENT, AccruedPeriod
from steps.ledger.money import ZERO
from steps.ledger.months import first_of_month, next_month
from steps.ledger.movements import counted_amount
from steps.ledger.service import PeriodStatus
from steps.reports.monthly import ContractName, contract_names
from steps.reports.waterfall import expected_amount, known_after, read_deferred
from steps.settings import SyncSettings
from tracking.models import ExecutionStatus, SyncExecution


class WorkKind(StrEnum):
    """What is to be done about it; what the accruals notify of has the same name here."""

    FAILED = "failed"
    """The contract cannot be processed: its data is to be corrected."""
    NOT_CONGRUENT = NotificationType.NOT_CONGRUENT_STATUS.value
    PERIOD_OVER = NotificationType.PERIOD_OVER_BUT_ACTIVE.value
    MISSING_CRM_DATA = NotificationType.MISSING_CRM_DATA.value
    NO_ENROLLMENT = "no_enrollment"
    """The client has a Notion page, and no enrollment yet."""
    POSTPONED = "postponed"
    NOT_SCHEDULED = "not_scheduled"
    """No month is expected to earn it, for none of the reasons above."""
    ACCRUED_BEFORE_ENROLLMENT = NotificationType.ACCRUED_BEFORE_ENROLLMENT.value


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One contract that waits, for one reason."""

    kind: WorkKind
    contract: ContractName
    amount: Decimal
    """What no month is expected to earn; of what was accrued before an enrollment, what was accrued."""
    currency: str
    reason: str
    since: date
    age_days: int


@dataclass(frozen=True, slots=True)
class WorkTotal:
    """All of a kind, in a currency."""

    kind: WorkKind
    currency: str
    contracts: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Worklist:
    """Items in order of kind, as the enum has them, then the oldest first."""

    month: date
    """The last one that was accrued."""
    today: date
    items: tuple[WorkItem, ...]

    @property
    def totals(self) -> tuple[WorkTotal, ...]:
        """In the same order."""
        grouped: dict[tuple[WorkKind, str], list[Decimal]] = defaultdict(list)
        for item in self.items:
            grouped[item.kind, item.currency].append(item.amount)
        return tuple(WorkTotal(*key, len(amounts), sum(amounts, ZERO)) for key, amounts in grouped.items())


@dataclass(frozen=True, slots=True)
class _Why:
    """Why a contract waits, and since when."""

    kind: WorkKind
    reason: str
    since: date


def worklist(session: Session, settings: SyncSettings, today: date) -> Worklist:
    """What waits after the last month that was accrued; before any was, after the one before `today`."""
    month = last_accrued_month(session) or next_month(first_of_month(today), -1)
    found = list(_waiting(session, month, settings))
    names = contract_names(session, (contract for contract, *_ in found))
    items = (
        WorkItem(why.kind, names[contract], amount, currency, why.reason, why.since, max((today - why.since).days, 0))
        for contract, currency, amount, why in found
    )
    kinds = list(WorkKind)
    order = sorted(items, key=lambda item: (kinds.index(item.kind), item.currency, item.since, item.contract))
    return Worklist(month, today, tuple(order))


def last_accrued_month(session: Session) -> date | None:
    """The last month with a run of the accruals that completed, or with a posting of the decision table."""
    done = col(SyncExecution.step_name) == ACCRUALS.id, col(SyncExecution.status) == ExecutionStatus.COMPLETED
    months = (
        session.scalar(select(func.max(col(SyncExecution.window_start))).where(*done)),
        session.scalar(select(func.max(col(AccruedPeriod.accrual_date))).where(col(AccruedPeriod.rule) != ADJUSTMENT)),
    )
    return max(filter(None, months), default=None)


_Waiting = tuple[int, str, Decimal, _Why]
"""Contract, currency and amount of one that waits, and why."""


def _waiting(session: Session, month: date, settings: SyncSettings) -> Iterator[_Waiting]:
    rules, services, days = load_rules(session, settings), load_services(session), Span.of_month(month)
    amount = counted_amount(settings)
    loader = Loader(session, Span.of_month(next_month(month)), amount, services)
    failed_before = ContractFailures.open(session, month).pending
    deferred: dict[int, dict[str, Decimal]] = defaultdict(dict)
    for (contract_id, currency), left in read_deferred(session, days.last, settings).items():
        deferred[contract_id][currency] = left
    settled = settled_cents(days, DOCUMENT[loader.amount.key], services)
    for chunk in due_chunks(session, days.last, settled=settled):
        for row, loaded in zip(chunk.rows, loader.load(chunk), strict=True):
            by_currency = deferred[row.id] or {row.currency: ZERO}
            try:
                if isinstance(loaded, ContractFailureError):
                    raise loaded
                yield from _of_contract(loaded.inputs, by_currency, month, rules)
            except ContractFailureError as failure:
                first = failed_before.get(failure.external_id)
                why = _Why(WorkKind.FAILED, failure.reason, date.fromisoformat(first) if first else month)
                yield from ((row.id, currency, left, why) for currency, left in by_currency.items())


def _of_contract(
    inputs: ContractInputs, by_currency: Mapping[str, Decimal], month: date, rules: AccrualRules
) -> Iterator[_Waiting]:
    """A contract that can be processed; if it cannot, that is raised before anything is told.

    `inputs` are as seen from the month after `month`, the last that was accrued; by currency: what is deferred.
    """
    known = known_after(inputs, month)
    expected = expected_amount(known, month, rules)
    rests = {of: left - (expected if of == known.currency else ZERO) for of, left in by_currency.items()}
    why = None
    if not all(by_currency.values()) or any(rests.values()):  # most contracts are earned whole: nothing to explain
        why = _why(known, month, rules) or _why(known, next_month(month), rules)
    if (whole := known.accrual.whole) and (told := _told_of_enrollment(known, month, rules)):
        yield known.id, known.currency, whole.amount, _Why(WorkKind.ACCRUED_BEFORE_ENROLLMENT, told, whole.month)
    for currency, rest in rests.items():
        if rest or (why and not by_currency[currency]):
            unexplained = _Why(WorkKind.NOT_SCHEDULED, "no month is expected to earn it", known.contract_date)
            yield known.id, currency, rest, why or unexplained


def _told_of_enrollment(inputs: ContractInputs, month: date, rules: AccrualRules) -> str | None:
    notes = decide(inputs, month, rules, closed=False).notifications
    return next((note.message for note in notes if note.type is NotificationType.ACCRUED_BEFORE_ENROLLMENT), None)


def _why(inputs: ContractInputs, month: date, rules: AccrualRules) -> _Why | None:
    """What the decision table waits for in the month; None: nothing that a person has to do."""
    outcome, seen = decide(inputs, month, rules, closed=False), ContractMonth.of(inputs, month, rules, closed=False)
    last, begun = seen.last_period, inputs.contract_date
    for note in outcome.notifications:
        if note.type is NotificationType.PERIOD_OVER_BUT_ACTIVE and last is not None:
            return _Why(WorkKind.PERIOD_OVER, note.message, last.inputs.end)
        if note.type in (NotificationType.MISSING_CRM_DATA, NotificationType.NOT_CONGRUENT_STATUS):
            return _Why(WorkKind(note.type.value), note.message, begun)
    if outcome.state is None or outcome.state.remaining == ZERO:
        return None
    if last is None:
        return _Why(WorkKind.NO_ENROLLMENT, f"no period yet, and Notion says {seen.crm}", begun)
    if last.status is PeriodStatus.POSTPONED:
        since = change_date(last.inputs)
        whole = f"{next_month(first_of_month(since), rules.postponed_months):%Y-%m}"
        what = f"period {last.inputs.external_id} is POSTPONED since {since}"
        return _Why(WorkKind.POSTPONED, f"{what}: unless it is resumed, {whole} accrues all that remains", since)
    return None
