"""Step `services`: Holded income accounts -> services (docs/vendors.md, Services).

The vendor is read first, then everything is applied in one short transaction. An account that Holded deletes keeps its
service: contracts still hang on it.
"""

from collections.abc import Iterable
from typing import Any

from sqlmodel import Session, select

from steps.catalog import SERVICES
from steps.errors import SuspiciousEmptyError
from steps.ledger.missing_upstream import FEWEST_KNOWN
from steps.ledger.service import Service, is_service_account, service_type_of_name
from steps.ledger.upsert import Merge, Row, merge_rows
from steps.settings import SyncSettings
from steps.sources import current_reads
from steps.step_report import EVERYTHING, Scope, StepReport, applying
from steps.vendors.holded import IncomeAccount
from steps.vendors.parsing import Listing


def is_service(account: IncomeAccount, settings: SyncSettings) -> bool:
    """Whether an income account is a service, by the academy's settings."""
    return is_service_account(
        account.account_number,
        account.name,
        account_prefixes=settings.service_account_prefix,
        name_prefixes=settings.service_name_prefixes,
    )


def store_services(session: Session, accounts: Iterable[IncomeAccount]) -> Merge:
    """Make or update the services of these accounts.

    Sessions, sessions a week and weekdays are the academy's own knowledge: they are never in these rows.
    """
    return merge_rows(session, Service, [_row(account) for account in accounts], ("external_id",))


def _row(account: IncomeAccount) -> Row:
    return {
        "external_id": account.id,
        "account_identifier": account.account_number,
        "name": account.name,
        "description": account.description,
        "service_type": service_type_of_name(account.name).value,
    }


def sync_services(execution_id: int | None = None, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Import services from Holded: every income account whose number and name fit the settings."""
    settings = scope.ease(SyncSettings.load())
    with current_reads(None) as reads:
        listing = scope.narrow(reads.income_accounts(), lambda account: scope.concerns("service", account.id))
    report = StepReport(SERVICES, scope)
    with applying(report, settings, execution_id) as session:
        apply_accounts(session, listing, settings, report)
    return report.as_result()


def apply_accounts(
    session: Session, listing: Listing[IncomeAccount], settings: SyncSettings, report: StepReport
) -> None:
    """Make the services of a whole list of income accounts.

    Raises:
        SuspiciousEmptyError: none of the known services is on the list. Single ones go away all the time (in one tenant
            47 of 85, docs/vendors.md, Holded documents), so a loss of most alone is no fault here.
    """
    known = set(session.exec(select(Service.external_id)))
    listed = {account.id for account in listing.records} | {error.external_id for error in listing.rejected}
    if len(known) >= FEWEST_KNOWN and not known & listed and not settings.accept_loss:
        raise SuspiciousEmptyError(
            "holded", "GET /saleschannels", f"none of the {len(known)} known services is on the list any more"
        )
    fitting = [account for account in listing.records if is_service(account, settings)]
    merge = store_services(session, fitting)
    report.processed = listing.count
    report.created, report.updated = len(merge.created), len(merge.updated)
    report.skipped = len(listing.records) - len(fitting)
    report.read_whole("service")
    report.checked("service", (account.id for account in listing.records))
    report.reject(listing.rejected)
