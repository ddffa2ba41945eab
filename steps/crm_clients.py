"""Step `crm-clients`: 4Geeks students -> the external ids of the window's clients.

Only the clients of the window are looked for; students who are nobody's client are not imported (docs/vendors.md,
Students). The student list is read once a run and matched here: the CRM cannot look up an exact email
(docs/vendors.md, 4Geeks facts).
"""

from collections.abc import Mapping
from typing import ClassVar

from sqlmodel import Session

from steps.catalog import CRM_CLIENTS, Step
from steps.context import StepContext, StepReport, applying
from steps.ledger.client import ClientExternalId, System, clients_of_people, clients_of_window, crm_users
from steps.ledger.missing_upstream import guard_against_mass_deletion
from steps.ledger.months import MonthWindow
from steps.ledger.upsert import merge_rows
from steps.results import ImportResult
from steps.task import step_task
from steps.vendors.fourgeeks import Student
from steps.vendors.parsing import Listing


class CrmClientsResult(ImportResult):
    """Received are the students of the list, created are the links that are new.

    Skipped are the students who are none of the clients looked for, and those without a user (invited people have none
    yet).
    """

    step: ClassVar[Step] = CRM_CLIENTS
    clients_looked_for: int = 0
    clients_not_found: int = 0
    """The CRM has no student with a user for them."""


@step_task(CRM_CLIENTS)
def sync_crm_clients(context: StepContext, window: MonthWindow) -> CrmClientsResult:
    """Import students from 4Geeks clients.

    A scope means its students, whichever clients they are: an unreadable one was nobody's, so that any window may have
    met it.
    """
    scope = context.scope
    listing = scope.narrow(
        context.reads.students(),  # an unreadable student is known by its profile, any other one by its user
        lambda student: any(scope.concerns("student", each) for each in (student.user_id, student.profile_id)),
    )
    report = StepReport(CrmClientsResult(), context)
    with applying(report) as session:
        if scope.is_everything:
            clients = clients_of_window(session, window)
        else:
            clients = clients_of_people(session, ((each.user_id, each.email) for each in listing.records))
        apply_students(session, clients, listing, report)
    return report.result


def apply_students(
    session: Session,
    clients: Mapping[int, str],
    listing: Listing[Student],
    report: StepReport[CrmClientsResult],
) -> None:
    """Link clients (id -> email) with the CRM users that have their email; several users of one client all count.

    A user whose email is another client's by now is linked with that one, and keeps its link while it is nobody's.

    Raises:
        SuspiciousEmptyError: the list lost most of the users that these clients are linked with.
    """
    students = {student.user_id: student for student in listing.records if student.user_id is not None}
    users = crm_users(session, clients, ((each.user_id, each.email) for each in listing.records))
    if not report.context.settings.accept_loss:
        known = [user_id for user_id, client_id in users.links.items() if client_id in clients]
        gone = [user_id for user_id in known if user_id not in students]
        guard_against_mass_deletion("fourgeeks", "GET /auth/academy/student", known=known, gone=gone)
    found = {each: users.by_email(student.email) for each, student in students.items()}
    rows = [
        {"client_id": client_id, "system": System.FOURGEEKS.value, "external_id": user_id}
        for user_id, client_id in found.items()
        if client_id is not None and users.links.get(user_id) != client_id
    ]
    merge = merge_rows(session, ClientExternalId, rows, ("system", "external_id"))
    report.result.created, report.result.updated = len(merge.created), len(merge.updated)
    linked = {each: users.client_of(each, student.email) for each, student in students.items()}
    report.result.clients_looked_for = len(clients)
    report.result.clients_not_found = len(clients.keys() - set(linked.values()))
    report.read_whole("student")
    report.reject_unreadable(listing)
    report.count(
        listing,
        lambda student: [("student", student.profile_id)],
        lambda student: linked.get(student.user_id or "") not in clients,
        at_hand=len(clients),
    )
