"""Step `services`: Holded income accounts -> services (docs/vendors.md, Services).

The vendor is read first, then everything is applied in one short transaction. An account that Holded deletes keeps its
service: contracts still hang on it. One that does not fit the settings any more is no service: its row stays for what
hangs on it, and documents find no contract by it.
"""

from collections.abc import Iterable
from typing import ClassVar

from pydantic_core import to_jsonable_python
from sqlmodel import Session, select

from steps.catalog import SERVICES, Step
from steps.context import StepContext, StepReport, applying
from steps.errors import RecordRejectedError, SuspiciousEmptyError
from steps.ledger.missing_upstream import FEWEST_KNOWN
from steps.ledger.service import Service, service_type_of_name
from steps.ledger.upsert import Merge, Row, merge_rows
from steps.results import ImportResult
from steps.task import step_task
from steps.vendors.holded import IncomeAccount
from steps.vendors.parsing import Listing


class ServicesResult(ImportResult):
    """Received are the income accounts of the list; skipped are those that are no service."""

    step: ClassVar[Step] = SERVICES


@step_task(SERVICES)
def sync_services(context: StepContext) -> ServicesResult:
    """Import services from Holded: every income account whose number and name fit the settings."""
    scope = context.scope
    listing = scope.narrow(context.reads.income_accounts(), lambda account: scope.concerns("service", account.id))
    report = StepReport(ServicesResult(), context)
    with applying(report) as session:
        apply_accounts(session, listing, report)
    return report.result


def store_services(session: Session, accounts: Iterable[IncomeAccount]) -> Merge:
    """Make or update the services of these accounts.

    Sessions, sessions a week and weekdays are the academy's own knowledge: they are never in these rows.
    """
    rows: list[Row] = [
        {
            "external_id": account.id,
            "account_identifier": account.account_number,
            "name": account.name,
            "description": account.description,
            "service_type": service_type_of_name(account.name).value,
        }
        for account in accounts
    ]
    return merge_rows(session, Service, rows, ("external_id",))


def apply_accounts(session: Session, listing: Listing[IncomeAccount], report: StepReport[ServicesResult]) -> None:
    """Make the services of a whole list of income accounts.

    Raises:
        SuspiciousEmptyError: none of the known services is on the list. Single ones go away all the time (in one tenant
            47 of 85, docs/vendors.md, Holded documents), so a loss of most alone is no fault here.
    """
    settings, known = report.context.settings, set(session.exec(select(Service.external_id)))
    listed = {account.id for account in listing.records} | {error.external_id for error in listing.rejected}
    if len(known) >= FEWEST_KNOWN and not known & listed and not settings.accept_loss:
        raise SuspiciousEmptyError(
            "holded", "GET /saleschannels", f"none of the {len(known)} known services is on the list any more"
        )
    fitting = [account for account in listing.records if settings.is_service(account.account_number, account.name)]
    leaving = [account for account in listing.records if account.id in known and account not in fitting]
    merge = store_services(session, [*fitting, *leaving])
    report.result.created, report.result.updated = len(merge.created), len(merge.updated)
    report.read_whole("service")
    report.checked("service", (account.id for account in listing.records))
    report.reject(listing.rejected)
    report.report_gone(map(_no_service_any_more, leaving))
    report.count(listing, lambda account: [("service", account.id)], lambda account: account not in fitting)


def _no_service_any_more(account: IncomeAccount) -> RecordRejectedError:
    message = (
        f"account {account.account_number or 'without number'} ({account.name}) does not fit"
        " SYNC_SERVICE_ACCOUNT_PREFIX and SYNC_SERVICE_NAME_PREFIXES any more: it is no service, and its documents lose"
        " their contract when their months are imported"
    )
    return RecordRejectedError("service", account.id, message, to_jsonable_python(account))
