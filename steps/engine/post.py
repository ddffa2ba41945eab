"""Writes what was decided: postings, states, contracts, and the failures of contracts; and checks that it adds up.

`LedgerCheck` looks at a month before it is committed (docs/accrual-rules.md, Promise 1). What a posting was worked out
from is stored with it (docs/accrual-rules.md, Worked out from).
"""

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, ScalarSelect, case, func, select, update
from sqlmodel import Session, col

from steps.catalog import ACCRUALS
from steps.engine.contract_month import (
    AccrualRules,
    AccrualState,
    ContractFailureError,
    ContractInputs,
    Outcome,
    Posting,
)
from steps.engine.load import Chunk, Query, is_due, with_state
from steps.engine.sessions import MonthSessions, ServiceInputs
from steps.engine.settled import CONTRACT, DOCUMENT, POSTING, STATE, is_usable
from steps.errors import AccrualError
from steps.ledger.accrual import AccrualStatus, AccrualTransition, AccruedPeriod, ContractAccrual
from steps.ledger.contract import ContractStatus, ServiceContract
from steps.ledger.movements import cents, from_cents, sum_of_cents
from steps.ledger.upsert import Row, chunks, table_of, write_many
from tracking.integration_errors import FoundError, RecordKey, record_errors
from tracking.models import ErrorStatus, IntegrationError

ENTITY_TYPE = "service_contract"
FIRST_MONTH = "first_month"
"""In the details: the first month that a contract failed in, as an ISO date."""


@dataclass(frozen=True)
class ContractFailures:
    """One month's failures, against those that are pending from before."""

    month: date
    pending: dict[str, str]
    """Contract id -> first month that failed."""
    processed: set[RecordKey] = field(default_factory=set)

    @classmethod
    def open(cls, session: Session, month: date) -> "ContractFailures":
        """With what is pending before the month is processed."""
        query = select(col(IntegrationError.entity_external_id), col(IntegrationError.error_details)).where(
            col(IntegrationError.operation) == ACCRUALS.id, col(IntegrationError.status) == ErrorStatus.PENDING
        )
        pending = session.execute(query)
        return cls(month, {contract_id: details.get(FIRST_MONTH, "") for contract_id, details in pending})

    def passed(self, contract_id: int) -> None:
        """A contract was processed. An error that only later months have met is not resolved by this one."""
        key = str(contract_id)
        if key in self.pending and self.pending[key] <= self.month.isoformat():
            self.processed.add((ENTITY_TYPE, key))

    def record(self, session: Session, failures: Iterable[ContractFailureError], execution_id: int | None) -> None:
        """Write the month's failures down, in the transaction of the postings; `execution_id` met them, if any did."""
        record_errors(
            session,
            integration=ACCRUALS.integration,
            operation=ACCRUALS.id,
            execution_id=execution_id,
            found=[self._found(failure) for failure in failures],
            passed=self.processed,
        )

    def _found(self, failure: ContractFailureError) -> FoundError:
        month = self.month.isoformat()
        first = min(self.pending.get(failure.external_id, month), month)
        return FoundError(failure.entity_type, failure.external_id, failure.reason, {FIRST_MONTH: first})


class Decided(NamedTuple):
    """What a contract's month came to, and its state as the ledger has it. Its inputs are not kept: they are many."""

    outcome: Outcome
    accrual_id: int | None
    state: AccrualState | None
    worked_out: str | None
    """What the postings were worked out from; None: there are none."""


def post(session: Session, month: date, decided: Sequence[Decided]) -> None:
    """Write down the outcomes of a chunk; what the ledger says already is not written again."""
    changed = [
        _state_row(outcome.contract_id, outcome.state)
        for outcome, _, state, _ in decided
        if outcome.state is not None and outcome.state != state
    ]
    write_many(session, ContractAccrual, changed, ("contract_id",))
    ids = _accrual_ids(session, decided)
    postings = [
        _posting_row(ids[outcome.contract_id], month, posting, outcome.state.currency, worked_out)
        for outcome, _, _, worked_out in decided
        if outcome.state is not None
        for posting in outcome.postings
    ]
    write_many(session, AccruedPeriod, postings)
    _set_statuses(session, (outcome for outcome, *_ in decided))
    write_many(session, AccrualTransition, [row for each in decided if (row := _transition_row(month, each))])


def _accrual_ids(session: Session, decided: Sequence[Decided]) -> dict[int, int]:
    """The id of each contract's state; those of new ones are asked for, in one query for their whole range."""
    ids = {outcome.contract_id: accrual_id for outcome, accrual_id, *_ in decided}
    new = [contract_id for contract_id, accrual_id in ids.items() if accrual_id is None]
    if new:
        query = select(STATE.contract_id, STATE.id).where(STATE.contract_id.between(new[0], new[-1]))
        ids |= {row[0]: row[1] for row in session.execute(query).all()}
    return {contract_id: accrual_id for contract_id, accrual_id in ids.items() if accrual_id is not None}


def _state_row(contract_id: int, state: AccrualState) -> Row:
    return {
        "contract_id": contract_id,
        "total_to_accrue": state.total,
        "accrued_amount": state.accrued,
        "remaining_amount_to_accrue": state.remaining,
        "total_sessions_to_accrue": state.sessions_total,
        "sessions_accrued": state.sessions_accrued,
        "remaining_sessions_to_accrue": state.sessions_remaining,
        "accrual_status": state.status.value,
        "last_month": state.last_month,
        "currency": state.currency,
    }


def _transition_row(month: date, decided: Decided) -> Row | None:
    """What a redo puts back: of a contract that was completed, reopened, or has another status now."""
    outcome, before = decided.outcome, decided.state
    completed = before is not None and before.status is AccrualStatus.COMPLETED
    is_completed = outcome.state.status is AccrualStatus.COMPLETED if outcome.state else completed
    if is_completed is completed and outcome.contract_status is outcome.status_before:
        return None
    status = outcome.status_before.value
    return {
        "contract_id": outcome.contract_id,
        "month": month,
        "completed_before": completed,
        "contract_status_before": status,
    }


def _posting_row(accrual_id: int, month: date, posting: Posting, currency: str, worked_out: str | None) -> Row:
    return {
        "contract_accrual_id": accrual_id,
        "service_period_id": posting.period_id,
        "accrual_date": month,
        "accrued_amount": posting.amount,
        "accrual_portion": posting.portion,
        "sessions_accrued": posting.sessions,
        "rule": posting.rule,
        "currency": currency,
        "worked_out": worked_out,
    }


def _set_statuses(session: Session, outcomes: Iterable[Outcome]) -> None:
    """One statement for each status that contracts came to have."""
    became: dict[ContractStatus, list[int]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.contract_status is not outcome.status_before:
            became[outcome.contract_status].append(outcome.contract_id)
    for status, contract_ids in became.items():
        for ids in chunks(contract_ids):
            session.execute(update(ServiceContract).where(col(ServiceContract.id).in_(ids)).values(status=status.value))


def worked_out_from(inputs: ContractInputs, sessions: MonthSessions, rules: AccrualRules, policy: str) -> str:
    """The contract as it was decided on: JSON of one line; `policy` is what `compact` gives.

    Written by hand as the shortest there is, because each posting gets one: `json.dumps` would take a tenth of the
    whole month's time. `steps/reports/explain.py` reads it.
    """
    # Sorted, whichever was imported first: a run again keeps what a fresh import does.
    documents = ",".join(sorted([f'["{each.day.isoformat()}","{each.amount:.2f}"]' for each in inputs.documents]))
    periods = ",".join(
        sorted(
            [
                f'[{_text(each.external_id)},"{each.start.isoformat()}","{each.end.isoformat()}","{each.status}",'
                f"{_day(each.status_change_date)},{_day(each.created_on)}]"
                for each in inputs.periods
            ]
        )
    )
    page, before = inputs.notion, "" if sessions.before is None else f",{sessions.before}"
    return (
        f'{{"contract":["{inputs.contract_date.isoformat()}","{inputs.status}"],"documents":[{documents}],'
        f'"before":"{inputs.accrual.accrued_before:.2f}","sessions":[{sessions.in_month},{sessions.remaining}{before}],'
        f'"periods":[{periods}],"notion":{f"[{_text(page.status)},{_day(page.day)}]" if page else "null"},'
        f'"service":{_service(inputs.service)},"holidays":[{_free_days(inputs, rules)}],"policy":{policy}}}'
    )


def compact(policy: Mapping[str, str]) -> str:
    """What is set of a policy, as JSON."""
    return json.dumps({name: value for name, value in policy.items() if value}, separators=(",", ":"))


_text = lru_cache(maxsize=10_000)(json.dumps)
"""Cohorts and statuses come again and again."""


def _day(day: date | None) -> str:
    return f'"{day.isoformat()}"' if day else "null"


@lru_cache(maxsize=10_000)
def _service(service: ServiceInputs) -> str:
    weekdays = ",".join(map(str, sorted(service.class_weekdays or ())))
    return f"[{service.total_sessions},{service.sessions_per_week},[{weekdays}]]"


def _free_days(inputs: ContractInputs, rules: AccrualRules) -> str:
    """The holidays on class days from the first to the last day of all periods."""
    weekdays, days = inputs.service.class_weekdays, rules.sorted_holidays
    if not days or not weekdays or not inputs.periods:
        return ""
    first = bisect_left(days, min([each.start for each in inputs.periods]))
    after = bisect_right(days, max([each.end for each in inputs.periods]))
    return ",".join([_day(day) for day in days[first:after] if day.weekday() in weekdays])


_NAMED = 5
"""Contracts that the error names; of more it says how many."""


@dataclass
class LedgerCheck:
    """Fed chunk by chunk; `finish` compares the sum of all with the documents of the whole ledger."""

    session: Session
    last_day: date
    amount: Any
    """The column of a document's amount (`SYNC_ACCRUAL_BASIS`)."""
    _breaches: list[str] = field(default_factory=list)
    _explained: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Cents by currency: what is accrued or remains, and the documents of contracts that were left as they are."""

    def check(self, chunk: Chunk, *, decided: Collection[int], failed: Collection[int]) -> None:
        """Note each contract of the chunk that breaks the promise; a settled one was found to keep it.

        Args:
            chunk: as it was processed, its rows now written.
            decided: contracts whose state is now that of this month. Of the others the documents may have changed
                since their last month; their state must be the sum of their postings all the same.
            failed: contracts left as they are, whatever that is.
        """
        for row in chunk.settled:
            self._explained[row.currency] += row.settled or 0
        rows = self.session.execute(self._sums(chunk)).all()
        for contract_id, currency, total, accrued, remaining, posted, documents in rows:
            self._explained[currency] += accrued + remaining if contract_id in decided else documents
            who = f"contract {contract_id}"
            if contract_id in failed:
                continue
            if accrued != posted:
                self._note(who, "its postings add up to", posted, "its state says", accrued)
            if accrued + remaining != total:
                self._note(who, "accrued and remaining are", accrued + remaining, "its total is", total)
            if contract_id in decided and total != documents:
                self._note(who, "its total is", total, "its documents add up to", documents)

    def finish(self) -> None:
        """Raise if any contract, or the sum of all, broke the promise.

        Raises:
            AccrualError: it names the first contracts and says how many there are.
        """
        of, documents = CONTRACT.contract_currency, func.sum(self._documents())
        rows = self.session.execute(select(documents, of).where(is_due(self.last_day)).group_by(of))
        invoiced = {currency: amount for amount, currency in rows}
        for currency in () if self._breaches else sorted(invoiced.keys() | self._explained.keys()):
            explained, total = self._explained.get(currency, 0), invoiced.get(currency, 0)
            if explained != total:
                who = f"all contracts in {currency}"
                self._note(who, "they account for", explained, "their documents add up to", total)
        if self._breaches:
            more = len(self._breaches) - _NAMED
            named = "; ".join(self._breaches[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
            raise AccrualError(f"{self.last_day:%Y-%m} is left as it was, it would not add up: {named}")

    def _note(self, who: str, one: str, amount: int, other: str, other_amount: int) -> None:
        self._breaches.append(f"{who}: {one} {from_cents(amount)}, {other} {from_cents(other_amount)}")

    def _sums(self, chunk: Chunk) -> Query:
        amounts = (STATE.total_to_accrue, STATE.accrued_amount, STATE.remaining_amount_to_accrue)
        return (
            select(
                CONTRACT.id,
                CONTRACT.contract_currency,
                *(func.coalesce(_usable_cents(amount), 0) for amount in amounts),
                _postings().scalar_subquery(),
                self._documents(),
            )
            .select_from(with_state())
            .where(chunk.holds(self.session, CONTRACT.id))
        )

    def _documents(self) -> ScalarSelect[int]:
        """What the documents of a contract up to the month's last day add up to, in cents."""
        amount = DOCUMENT[self.amount.key]
        documents = select(sum_of_cents(amount)).where(
            DOCUMENT.service_contract_id == CONTRACT.id,
            DOCUMENT.voided_at.is_(None),
            DOCUMENT.invoice_date <= self.last_day,
            is_usable(amount),
        )
        return documents.correlate(table_of(ServiceContract)).scalar_subquery()


def _postings() -> Query:
    return select(sum_of_cents(POSTING.accrued_amount)).where(
        POSTING.contract_accrual_id == STATE.id, is_usable(POSTING.accrued_amount)
    )


def _usable_cents(amount: ColumnElement[Any]) -> ColumnElement[int]:
    return case((is_usable(amount), cents(amount)))
