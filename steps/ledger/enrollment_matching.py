"""Which contract an enrollment belongs to, also after an invoice moved to another service."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from sqlalchemy import exists
from sqlmodel import Session, col

from steps.errors import RecordRejectedError
from steps.ledger.accrual import AccruedPeriod
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.service import PeriodStatus, Service, ServicePeriod, period_status, service_type_of_slug
from steps.ledger.upsert import Row, select_in, set_by_id

PeriodKey = tuple[int, str]
"""Contract id and cohort slug."""


Course = tuple[int, str]
"""Client id and cohort slug."""

_CONTRACT: tuple[Any, ...] = (
    ServiceContract.id,
    ServiceContract.client_id,
    ServiceContract.contract_date,
    Service.service_type,
    exists()
    .where(col(Invoice.service_contract_id) == ServiceContract.id, col(Invoice.voided_at).is_(None))
    .label("has_documents"),
)
_PERIOD = (
    ServicePeriod.id,
    ServicePeriod.contract_id,
    ServicePeriod.external_id,
    ServicePeriod.name,
    ServicePeriod.status,
    ServicePeriod.status_change_date,
    ServicePeriod.start_date,
    ServicePeriod.end_date,
    ServicePeriod.enrollment_id,
    ServicePeriod.created_on,
    ServicePeriod.voided_at,
)


@dataclass(frozen=True)
class PeriodRules:
    """What the academy has to say of periods."""

    prework_days: Mapping[str, int]
    """Service type -> days that a period begins before its kickoff."""
    ignored_cohorts: Sequence[str]
    """Patterns of slugs, such as `*-pt-general`."""

    def ignores(self, slug: str) -> bool:
        """Whether a cohort is no course at all."""
        return any(fnmatchcase(slug.lower(), pattern.lower()) for pattern in self.ignored_cohorts)


@dataclass(frozen=True)
class EnrollmentCard:
    """A client's enrollment that is complete enough to become a period."""

    enrollment_id: str
    client_id: int
    slug: str
    cohort_name: str
    kickoff: date
    ending: date
    educational_status: str | None
    created_on: date | None
    updated_on: date | None
    as_read: Callable[[], Any]
    """The vendor's record, as far as it was read."""

    @property
    def label(self) -> str:
        """For messages."""
        return f"enrollment {self.enrollment_id} ({self.slug})"


@dataclass(frozen=True)
class Contracts:
    """The contracts and periods of some clients."""

    by_client: Mapping[int, list[Row]]
    """Each with `id`, `contract_date`, `service_type` and `has_documents`: whether one is not void."""
    periods: Mapping[PeriodKey, Row]
    """With every column, void ones too."""

    @cached_property
    def _by_id(self) -> dict[int, Row]:
        return {contract["id"]: contract for rows in self.by_client.values() for contract in rows}

    def client_of(self, contract_id: int) -> int:
        """Whose contract it is."""
        return int(self._by_id[contract_id]["client_id"])

    def course_of(self, key: PeriodKey) -> Course:
        """A period's client and cohort."""
        return self.client_of(key[0]), key[1]

    def has_documents(self, contract_id: int) -> bool:
        """Whether anything is invoiced by it: a contract without documents keeps no enrollment."""
        return bool(self._by_id[contract_id]["has_documents"])

    def has_any(self, client_id: int) -> bool:
        """Whether a client has a contract with a document."""
        return any(each["has_documents"] for each in self.by_client.get(client_id, []))

    @cached_property
    def counted(self) -> list[PeriodKey]:
        """The periods that are not void."""
        return [key for key, row in self.periods.items() if row["voided_at"] is None]

    def contract_of(self, card: EnrollmentCard) -> int | None:
        """The contract that a card has or, if it has none yet, fits best; None if it fits none."""
        contracts = self.by_client.get(card.client_id, [])
        own = [each for each in contracts if each["has_documents"] and (each["id"], card.slug) in self.periods]
        if own:
            first = min(
                own, key=lambda each: (self.periods[each["id"], card.slug]["voided_at"] is not None, each["id"])
            )
            return int(first["id"])
        return self.best_of((card.client_id, card.slug), card.kickoff)

    def best_of(self, course: Course, kickoff: date) -> int | None:
        """The contract that an enrollment fits best, whichever it has; None if it fits none.

        Nearest `contract_date` to the kickoff among those of the cohort's type that have documents; of two as near,
        the earlier date and then the smaller id.
        """
        client_id, slug = course
        kind = service_type_of_slug(slug)
        contracts = self.by_client.get(client_id, [])
        fitting = [each for each in contracts if each["has_documents"] and each["service_type"] == kind]
        order = [(abs(each["contract_date"] - kickoff), each["contract_date"], each["id"]) for each in fitting]
        return int(min(order)[2]) if order else None


@dataclass
class MatchedPeriods:
    """The periods' rows, and the enrollments that are in trouble."""

    rows: dict[PeriodKey, Row] = field(default_factory=dict)
    problems: list[RecordRejectedError] = field(default_factory=list)


def load_contracts(session: Session, client_ids: Iterable[int]) -> Contracts:
    """The contracts of these clients, with their periods."""
    by_client: dict[int, list[Row]] = defaultdict(list)
    for row in select_in(
        session, _CONTRACT, ServiceContract.client_id, client_ids, Service.id == ServiceContract.service_id
    ):
        by_client[row["client_id"]].append(row)
    for contracts in by_client.values():
        contracts.sort(key=lambda contract: contract["id"])
    periods = select_in(
        session,
        _PERIOD,
        ServicePeriod.contract_id,
        (contract["id"] for contracts in by_client.values() for contract in contracts),
    )
    return Contracts(by_client, {(row["contract_id"], row["external_id"]): row for row in periods})


def match_periods(cards: Iterable[EnrollmentCard], contracts: Contracts, rules: PeriodRules) -> MatchedPeriods:
    """The period of each card. Two cards of one period (a person with two users): the one updated last counts."""
    matched = MatchedPeriods()
    in_order = sorted(cards, key=lambda card: int(card.enrollment_id) if card.enrollment_id.isdigit() else 0)
    for card in sorted(in_order, key=lambda card: card.updated_on or date.min, reverse=True):
        contract_id = contracts.contract_of(card)
        if contract_id is None:
            matched.problems.append(_no_contract(card, has_any=contracts.has_any(card.client_id)))
            continue
        key = contract_id, card.slug
        if key in matched.rows:
            matched.problems.append(
                RecordRejectedError(
                    "enrollment",
                    card.enrollment_id,
                    f"{card.label}: the client is in this cohort twice",
                    card.as_read(),
                    client_id=card.client_id,
                )
            )
            continue
        if period_status(card.educational_status) is None:
            matched.problems.append(_unknown_status(card))
        matched.rows[key] = _row(card, contract_id, contracts.periods.get(key), rules)
    return matched


def _row(card: EnrollmentCard, contract_id: int, stored: Row | None, rules: PeriodRules) -> Row:
    status = period_status(card.educational_status) or PeriodStatus.ACTIVE
    prework = rules.prework_days.get(service_type_of_slug(card.slug), 0)
    return {
        "contract_id": contract_id,
        "external_id": card.slug,
        "name": card.cohort_name,
        "start_date": card.kickoff - timedelta(days=prework),
        "end_date": card.ending,
        "status": status.value,
        "status_change_date": _status_change_date(card, status, stored),
        "enrollment_id": card.enrollment_id,
        "created_on": _created_on(card, stored),
        "voided_at": None,  # it is listed and fits, so it counts (again)
    }


def _created_on(card: EnrollmentCard, stored: Row | None) -> date | None:
    """The first day of all: an enrollment that is taken out of its cohort and put back is a new row of the CRM."""
    days = card.created_on, stored["created_on"] if stored else None
    return min((day for day in days if day is not None), default=None)


def _status_change_date(card: EnrollmentCard, status: PeriodStatus, stored: Row | None) -> date | None:
    """The day of the last update when the present status was first seen; later saves do not move it.

    The CRM keeps no date of its own (docs/vendors.md, 4Geeks facts). An enrollment that is over and `ENDED` when it is
    first seen ended with its cohort, if it was saved later than that.
    """
    if stored is not None and stored["status"] == status:
        known: date | None = stored["status_change_date"]
        return known
    if stored is None and status is PeriodStatus.ENDED and card.updated_on is not None:
        return min(card.updated_on, card.ending)
    return card.updated_on


def _no_contract(card: EnrollmentCard, *, has_any: bool) -> RecordRejectedError:
    kind = service_type_of_slug(card.slug)
    trouble = f"fits no contract of client {card.client_id}" if has_any else f"client {card.client_id} has no contract"
    return RecordRejectedError(
        "enrollment",
        card.enrollment_id,
        f"{card.label}: {trouble} (cohort type {kind})",
        card.as_read(),
        client_id=card.client_id,
    )


def _unknown_status(card: EnrollmentCard) -> RecordRejectedError:
    return RecordRejectedError(
        "enrollment",
        card.enrollment_id,
        f"{card.label}: educational status {card.educational_status or 'missing'} is not known, taken as ACTIVE",
        card.as_read(),
        client_id=card.client_id,
    )


@dataclass
class Reassigned:
    """Periods that cannot stay where, or what, they are."""

    moved: dict[PeriodKey, PeriodKey] = field(default_factory=dict)
    """Those that move to another contract or cohort: old key -> new key."""
    void: dict[PeriodKey, str] = field(default_factory=dict)
    """Periods that are no enrollments any more, and why."""


_IS_A_PART = "is a micro cohort, a part of another enrollment"
_IS_NO_COURSE = "has no end date any more, or is ignored"
_HAS_NO_DOCUMENT = "has no contract with a document"
_IS_ELSEWHERE = "is no enrollment of this contract any more"


@dataclass(frozen=True)
class ListedCourses:
    """What the CRM lists."""

    kickoffs: Mapping[Course, date]
    """First days, of the clients at hand."""
    parts: Collection[Course]
    """Clients' enrollments that are parts of another one, and nothing else."""
    no_courses: Collection[Course]
    """Those that are no course of their own, parts included."""
    by_enrollment: Mapping[str, Course]
    """Enrollment id -> client and cohort, whichever client's it is."""
    listed: Collection[Course]
    """The enrollments of the clients at hand."""

    def elsewhere(self, row: Row, course: Course) -> Course | None:
        """Where a period's enrollment is by now, if no other one of the client took its place."""
        now = self.by_enrollment.get(row["enrollment_id"], course)
        return None if now == course or course in self.listed else now


def reassign_periods(contracts: Contracts, listed: ListedCourses) -> Reassigned:
    """What is to be done with stored periods that cannot stay as they are.

    The enrollment of a contract whose documents moved away (an invoice whose service was corrected) follows to the
    contract that it fits now, with its dates; if it fits none, it is void. So is the period of an enrollment that is
    another client's by now. One in another cohort, or whose cohort has another slug, stays the same period if it fits
    the same contract.
    """
    reassigned = Reassigned()
    taken = set(contracts.periods)
    for key, row in contracts.periods.items():
        course = contracts.course_of(key)
        now, best = listed.elsewhere(row, course) or course, None
        if course in listed.no_courses:
            why = _IS_A_PART if course in listed.parts else _IS_NO_COURSE
        elif not contracts.has_documents(key[0]):
            now, why = course, _HAS_NO_DOCUMENT
            best = contracts.best_of(course, listed.kickoffs.get(course, row["start_date"]))
        elif now != course:
            fitting = contracts.best_of(now, listed.kickoffs.get(now, row["start_date"]))
            best, why = key[0] if fitting == key[0] and now not in listed.no_courses else None, _IS_ELSEWHERE
        else:
            continue
        if best is not None and (best, now[1]) not in taken:
            reassigned.moved[key] = best, now[1]
            taken.add((best, now[1]))
        elif row["voided_at"] is None:
            reassigned.void[key] = why
    return reassigned


def write_reassigned(
    session: Session, contracts: Contracts, reassigned: Reassigned, now: datetime
) -> list[RecordRejectedError]:
    """Move and void periods. Returns what a person must know: void ones on which something is accrued already.

    Postings stay as they are. Those of a period that moved, or whose contract has no document, need no word: the
    accruals take back what a contract without documents accrued (docs/accrual-rules.md, The decision: row 5).
    """
    ids = {key: int(row["id"]) for key, row in contracts.periods.items()}
    set_by_id(session, ServicePeriod, "contract_id", {ids[key]: new[0] for key, new in reassigned.moved.items()})
    set_by_id(session, ServicePeriod, "external_id", {ids[key]: new[1] for key, new in reassigned.moved.items()})
    set_by_id(session, ServicePeriod, "voided_at", {ids[key]: now for key in reassigned.void})
    void = {ids[key]: key for key in reassigned.void if contracts.has_documents(key[0])}
    accrued: dict[int, Decimal] = defaultdict(Decimal)
    posting = AccruedPeriod.service_period_id, AccruedPeriod.accrued_amount
    for row in select_in(session, posting, AccruedPeriod.service_period_id, void):
        accrued[row["service_period_id"]] += row["accrued_amount"]
    left = {void[period_id]: amount for period_id, amount in accrued.items() if amount}
    return [_accrued_on_void(key, reassigned.void[key], amount) for key, amount in left.items()]


def period_name(key: PeriodKey) -> str:
    """A name for a period in an integration error: its enrollment may be one that nobody can name any more."""
    return f"{key[0]}/{key[1]}"


def _accrued_on_void(key: PeriodKey, why: str, amount: Decimal) -> RecordRejectedError:
    rest = "; what remains is accrued by the macro cohort's enrollment" if why is _IS_A_PART else ""
    return RecordRejectedError(
        "service_period",
        period_name(key),
        f"{key[1]} of contract {key[0]} {why}: it counts no more; the {amount} accrued on it stay{rest}",
        contract_id=key[0],
        cohort_slug=key[1],
        accrued_amount=str(amount),
    )
