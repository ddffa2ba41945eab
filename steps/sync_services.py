"""Holded income accounts -> services (interfaces.md, How records are matched).

The vendor is read first, then everything is applied in one short transaction. An account that Holded deletes keeps its
service: contracts still hang on it.
"""

from typing import Any

from sqlmodel import Session, select

from steps.applying import applying
from steps.catalog import SERVICES
from steps.connectors.holded_payloads import IncomeAccount
from steps.connectors.listing import Listing
from steps.domain.service import Service
from steps.domain.vanished import FEWEST_KNOWN
from steps.errors import SuspiciousEmptyError
from steps.income_accounts import is_service, store_services
from steps.report import StepReport
from steps.scope import EVERYTHING, Scope
from steps.settings import SyncSettings
from steps.vendor_reads import current_reads


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
            47 of 85, vendors/holded.md), so a loss of most alone is no fault here.
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
