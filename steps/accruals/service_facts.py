"""How each service is taught: read once a month, because there are few of them and they are of many contracts."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from steps.accruals.due import as_text
from steps.accruals.facts import ServiceFacts
from steps.accruals.stored import read_count
from steps.domain.rows import table_of
from steps.domain.service import Service

Services = Mapping[int, ServiceFacts | ValueError]
"""By id. One that cannot be used holds the reason, so that its contracts fail and no others."""

_SERVICE = table_of(Service).c
_COLUMNS = _SERVICE.id, _SERVICE.total_sessions, _SERVICE.sessions_per_week, as_text(_SERVICE.class_weekdays)


def load_services(session: Session) -> Services:
    """Every service of the ledger."""
    return {service_id: _facts(*taught) for service_id, *taught in session.execute(select(*_COLUMNS))}


def service_of(services: Services, service_id: int) -> ServiceFacts:
    """The service of a contract.

    Raises:
        ValueError: it is not in the ledger, or cannot be used.
    """
    found = services.get(service_id)
    if found is None:
        raise ValueError(f"the contract's service {service_id} is not in the ledger")
    if isinstance(found, ValueError):
        raise found
    return found


def _facts(total_sessions: Any, sessions_per_week: Any, class_weekdays: str | None) -> ServiceFacts | ValueError:
    try:
        return ServiceFacts(
            read_count(total_sessions, "the service's total of sessions"),
            read_count(sessions_per_week, "the service's number of sessions a week"),
            _weekdays(class_weekdays),
        )
    except ValueError as reason:
        return reason


def _weekdays(text: str | None) -> frozenset[int] | None:
    try:
        days = json.loads(text or "null")
        return None if days is None else frozenset(read_count(day, "a class weekday") for day in days)
    except (ValueError, TypeError):
        raise ValueError(f"the service's class weekdays are not a list of days: {text!r}") from None
