"""Which income accounts are services, and how they are kept (interfaces.md, How records are matched)."""

from collections.abc import Iterable

from sqlmodel import Session

from steps.connectors.holded_payloads import IncomeAccount
from steps.domain.rows import Merge, Row, merge_rows
from steps.domain.service import Service, is_service_account, service_type_of_name
from steps.settings import SyncSettings


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
