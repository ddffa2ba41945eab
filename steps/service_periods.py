"""Step `service-periods`: 4Geeks enrollments -> service periods of the contracts of the window's clients.

The enrollment list alone has user, cohort and status (docs/vendors.md, 4Geeks facts); it is read once a run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session, col

from steps.catalog import SERVICE_PERIODS, Step
from steps.context import Scope, StepContext, StepReport, applying
from steps.errors import RecordRejectedError
from steps.ledger.client import Client, billed, clients_of_people, clients_of_window, crm_users
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.enrollment_matching import (
    Contracts,
    Course,
    EnrollmentCard,
    ListedCourses,
    PeriodKey,
    PeriodRules,
    load_contracts,
    match_periods,
    period_name,
    reassign_periods,
    write_reassigned,
)
from steps.ledger.missing_upstream import guard_against_mass_deletion
from steps.ledger.months import MonthWindow
from steps.ledger.service import ServicePeriod
from steps.ledger.upsert import merge_rows, select_in
from steps.results import ImportResult
from steps.task import step_task
from steps.vendors.fourgeeks import Enrollment
from steps.vendors.parsing import Listing
from tracking.integration_errors import known_records
from tracking.models import utc_now


class ServicePeriodsResult(ImportResult):
    """Received are the enrollments of the list.

    Skipped are those of none of the window's clients, and those that are no course of their own: without slug or end
    date, in an ignored or a micro cohort.
    """

    step: ClassVar[Step] = SERVICE_PERIODS


@step_task(SERVICE_PERIODS)
def sync_service_periods(context: StepContext, window: MonthWindow) -> ServicePeriodsResult:
    """Import enrollments from 4Geeks clients.

    A scope means its enrollments and periods, whichever clients they are: an unreadable one was nobody's, so that any
    window may have met it.
    """
    scope, listing = context.scope, context.reads.enrollments()
    report = StepReport(ServicePeriodsResult(), context)
    with applying(report) as session:
        if scope.is_everything:
            clients = clients_of_window(session, window)
            scope = Scope(frozenset(known_records(session, SERVICE_PERIODS.id)))
            others = billed(session, _owners(session, listing, scope)) if scope.keys else {}
            apply_enrollments(session, others | clients, listing, report, Meant(scope, frozenset(clients)))
            report.checked("service_period", _of_emptied_contracts(session, scope.ids("service_period")))
        else:
            apply_enrollments(session, _owners(session, listing, scope), listing, report, Meant(scope))
    return report.result


@dataclass(frozen=True)
class Meant:
    """Which enrollments are to be applied: the clients' of the window, and those of a scope."""

    scope: Scope
    clients: frozenset[int] = frozenset()


Owned = tuple[int, Enrollment]
"""A client of the window and one of its enrollments."""


def apply_enrollments(
    session: Session,
    clients: Mapping[int, str],
    listing: Listing[Enrollment],
    report: StepReport[ServicePeriodsResult],
    meant: Meant,
) -> None:
    """Make or update the periods of clients (id -> email), as far as they are meant.

    Raises:
        SuspiciousEmptyError: the list lost most of the periods that these clients have.
    """
    settings = report.context.settings
    rules = PeriodRules(settings.prework_days_by_type, settings.ignored_cohorts)
    mine: Collection[int] = meant.clients if report.context.scope.is_everything else clients.keys()
    owners = _owners_of_all(session, clients, listing.records)
    owned = [(client_id, each) for client_id, each in owners if client_id is not None and client_id in clients]
    contracts = load_contracts(session, clients)
    parts = micro_enrollments(listing.records)
    no_courses = parts | {each.id for _, each in owned if _is_no_course(each, rules)}
    by_enrollment = _present_courses(session, contracts, owners)
    listed = ListedCourses(
        kickoffs={
            (client, each.cohort_slug): each.kickoff for client, each in owned if each.cohort_slug and each.kickoff
        },
        parts=_courses_of_these_only(owned, parts),
        no_courses=_courses_of_these_only(owned, no_courses),
        by_enrollment=by_enrollment,
        listed={(client_id, each.cohort_slug) for client_id, each in owned if each.cohort_slug},
    )
    reassigned = reassign_periods(contracts, listed)
    gone = [
        key
        for key in contracts.counted
        if contracts.course_of(key) not in listed.listed
        and contracts.periods[key]["enrollment_id"] not in by_enrollment
    ]
    if not settings.accept_loss:
        known = [key for key in contracts.counted if contracts.client_of(key[0]) in mine]
        guard_against_mass_deletion(
            "fourgeeks", "GET /admissions/academy/cohort/user", known=known, gone=set(gone) & set(known)
        )
    report.report_gone(write_reassigned(session, contracts, reassigned, utc_now()))
    if reassigned.moved or reassigned.void:
        contracts = load_contracts(session, clients)
    owned = _meant(owned, contracts, meant)
    courses = [each for each in owned if each[1].id not in no_courses]
    matched = match_periods(_cards(courses), contracts, rules)
    rows, key = list(matched.rows.values()), ("contract_id", "external_id")
    merge = merge_rows(session, ServicePeriod, rows, key, contracts.periods)
    problems = [*_without_kickoff(courses), *matched.problems]
    others = {each.id for client_id, each in owned if client_id not in mine}
    report.result.created = len(merge.created)
    report.result.updated = len({*merge.updated, *reassigned.moved.values(), *reassigned.void})
    report.read_whole("enrollment", undecided=others & {problem.external_id for problem in problems})
    report.checked("enrollment", (each.id for _, each in owned if each.id not in others))
    theirs = {key for key in gone if contracts.client_of(key[0]) not in mine} - reassigned.void.keys()
    looked_at = {*contracts.counted, *reassigned.moved, *reassigned.void} - theirs
    report.checked("service_period", map(period_name, looked_at))
    report.reject_unreadable(listing)
    report.reject(problem for problem in problems if problem.external_id not in others)
    left = [key for key in gone if key not in reassigned.void and key not in theirs]
    report.report_gone(_gone_error(reassigned.moved.get(key, key)) for key in left)
    scope = report.context.scope
    applied = {enrollment.id for client_id, enrollment in courses if client_id in mine}
    if not scope.is_everything:
        listing = Listing([enrollment for _, enrollment in owned], scope.rejected(listing.rejected))
    at_hand = sum(client_id in mine for client_id, _ in owned)
    report.count(listing, lambda each: [("enrollment", each.id)], lambda each: each.id not in applied, at_hand)


def _owners(session: Session, listing: Listing[Enrollment], scope: Scope) -> dict[int, str]:
    """The clients (id -> email) of the scope's enrollments and periods."""
    meant = (each for each in listing.records if scope.concerns("enrollment", each.id))
    owners = clients_of_people(session, ((each.user_id, each.email) for each in meant))
    contracts = [_contract_of(each) for each in scope.ids("service_period")]
    columns = Client.id, Client.identifier
    rows = select_in(session, columns, ServiceContract.id, contracts, ServiceContract.client_id == Client.id)
    return owners | {row["id"]: row["identifier"] for row in rows}


def _of_emptied_contracts(session: Session, periods: Iterable[str]) -> list[str]:
    """Those of the periods (by `period_name`) whose contract has no document left: canceled, it keeps no enrollment.

    Whether these are listed is no matter any more, and no window may have their client.
    """
    contracts = {period: _contract_of(period) for period in periods}
    counts = col(Invoice.voided_at).is_(None)
    rows = select_in(session, (Invoice.service_contract_id,), Invoice.service_contract_id, contracts.values(), counts)
    with_documents = {row["service_contract_id"] for row in rows}
    return [period for period, contract_id in contracts.items() if contract_id not in with_documents]


def _contract_of(period: str) -> int:
    return int(period.partition("/")[0])


def _meant(owned: list[Owned], contracts: Contracts, meant: Meant) -> list[Owned]:
    """The clients' enrollments and the scope's, and whatever is of the same client and cohort: together one period."""
    scope = meant.scope
    courses = {(client_id, each.cohort_slug) for client_id, each in owned if scope.concerns("enrollment", each.id)}
    periods = [key for key in contracts.periods if scope.concerns("service_period", period_name(key))]
    courses |= set(map(contracts.course_of, periods))
    return [each for each in owned if each[0] in meant.clients or (each[0], each[1].cohort_slug) in courses]


def _owners_of_all(
    session: Session, clients: Mapping[int, str], enrollments: Sequence[Enrollment]
) -> list[tuple[int | None, Enrollment]]:
    """Each enrollment with its client, as far as it is one of these or was."""
    users = crm_users(session, clients, ((each.user_id, each.email) for each in enrollments))
    return [(users.client_of(each.user_id, each.email), each) for each in enrollments]


def micro_enrollments(enrollments: Iterable[Enrollment]) -> frozenset[str]:
    """The ids of the enrollments in micro cohorts, which are parts of a course (docs/vendors.md, 4Geeks facts).

    The CRM enrolls a student of a macro cohort in each of its micro cohorts too. Such a row stays `ACTIVE` and has
    dates of its own, so the row of the macro cohort alone says what becomes of the course. A row is one of a micro
    cohort if it names its macro cohort, or if another row of the same user lists its cohort.
    """
    by_user: dict[str, list[Enrollment]] = defaultdict(list)
    for each in enrollments:
        by_user[each.user_id or each.email or each.id].append(each)
    return frozenset(each.id for rows in by_user.values() for each in rows if _is_part_of_another(each, rows))


def _is_part_of_another(enrollment: Enrollment, of_user: Iterable[Enrollment]) -> bool:
    if enrollment.has_macro_cohort:
        return True
    others = (other for other in of_user if other.cohort_id != enrollment.cohort_id)
    return any(enrollment.cohort_id in other.micro_cohort_ids for other in others)


def _is_no_course(enrollment: Enrollment, rules: PeriodRules) -> bool:
    return not enrollment.cohort_slug or enrollment.ending is None or rules.ignores(enrollment.cohort_slug)


def _cards(owned: Iterable[Owned]) -> list[EnrollmentCard]:
    return [
        EnrollmentCard(
            enrollment_id=each.id,
            client_id=client_id,
            slug=each.cohort_slug,
            cohort_name=each.cohort_name,
            kickoff=each.kickoff,
            ending=each.ending,
            educational_status=each.educational_status,
            created_on=each.created_on,
            updated_on=each.updated_on,
            as_read=each.as_read,
        )
        for client_id, each in owned
        if each.cohort_slug and each.kickoff and each.ending
    ]


def _present_courses(
    session: Session, contracts: Contracts, owners: Sequence[tuple[int | None, Enrollment]]
) -> dict[str, Course]:
    """Where the enrollments of these periods are by now, as far as they are any client's."""
    ids = {row["enrollment_id"] for row in contracts.periods.values()}
    at_hand = [each for each in owners if each[1].id in ids]
    strangers = [each for client_id, each in at_hand if client_id is None]
    if strangers:
        others = clients_of_people(session, ((each.user_id, each.email) for each in strangers))
        at_hand += _owners_of_all(session, others, strangers)
    return {each.id: (client_id, each.cohort_slug or "") for client_id, each in at_hand if client_id is not None}


def _courses_of_these_only(owned: Iterable[Owned], ids: Collection[str]) -> set[Course]:
    """Clients and cohorts whose every enrollment is one of these."""
    by_part: dict[bool, set[Course]] = {True: set(), False: set()}
    for client_id, each in owned:
        by_part[each.id in ids].add((client_id, each.cohort_slug or ""))
    return by_part[True] - by_part[False]


def _gone_error(key: PeriodKey) -> RecordRejectedError:
    message = f"the enrollment of contract {key[0]} in {key[1]} is gone from 4Geeks: its period is kept as it was"
    return RecordRejectedError("service_period", period_name(key), message, contract_id=key[0], cohort_slug=key[1])


def _without_kickoff(owned: Iterable[Owned]) -> list[RecordRejectedError]:
    return [
        RecordRejectedError(
            "enrollment",
            each.id,
            f"enrollment {each.id} ({each.cohort_slug}): its cohort has no kickoff",
            each.as_read(),
        )
        for _, each in owned
        if each.kickoff is None
    ]
