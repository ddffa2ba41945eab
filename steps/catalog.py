"""The six steps as data (docs/interfaces.md, The six steps): their names, and what each builds on.

The order of the import is in `flows/parameters.py`.
"""

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Step:
    """One step as people and the API know it."""

    id: str
    name: str
    description: str
    endpoint: str
    integration: str
    """`integration_error.integration_name`."""
    entity: str
    """What its result counts, in the plural: `<entity>_processed` and so on."""
    by_month: bool = False
    """Whether it is called once for each month window of the range, or once a run."""
    builds_on: tuple["Step", ...] = field(default=(), repr=False)
    """The import steps that come before, in their order."""


SERVICES = Step(
    "services",
    "Sync Services",
    "Import services from Holded",
    "/api/integrations/holded/sync-services",
    "holded",
    "services",
)
INVOICES = Step(
    "invoices",
    "Sync Invoices",
    "Import invoices and clients from Holded",
    "/api/integrations/holded/sync-invoices-and-clients",
    "holded",
    "invoices",
    by_month=True,
    builds_on=(SERVICES,),
)
CRM_CLIENTS = Step(
    "crm-clients",
    "Sync CRM Clients",
    "Import students from 4Geeks clients",
    "/api/integrations/fourgeeks/sync-students-from-clients",
    "fourgeeks",
    "students",
    by_month=True,
    builds_on=(SERVICES, INVOICES),
)
SERVICE_PERIODS = Step(
    "service-periods",
    "Sync Service Periods",
    "Import enrollments from 4Geeks clients",
    "/api/integrations/fourgeeks/sync-enrollments-from-clients",
    "fourgeeks",
    "periods",
    by_month=True,
    builds_on=(SERVICES, INVOICES, CRM_CLIENTS),
)
NOTION_EXTERNAL_ID = Step(
    "notion-external-id",
    "Sync Notion External IDs",
    "Import page IDs from Notion clients",
    "/api/integrations/notion/sync-page-ids",
    "notion",
    "pages",
    builds_on=(SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS),
)
ACCRUALS = Step(
    "accruals",
    "Process Accruals",
    "Process contract accruals for the specified period",
    "/api/accruals/process-contracts",
    "accruals",
    "contracts",
    by_month=True,
    builds_on=(SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID),
)

STEPS = {step.id: step for step in (SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID, ACCRUALS)}
"""Every step by its id."""


def builds_on(one: tuple[str, date | None], other: tuple[str, date | None]) -> bool:
    """Whether a step and month (None: once a run) builds on another, in one run or in the history.

    Within one month, where both are called by month. Accruals build on the accruals of earlier months besides.
    """
    (step_id, month), (other_id, other_month) = one, other
    if other_id == ACCRUALS.id:
        return step_id == other_id and month is not None and other_month is not None and other_month < month
    same_month = month is None or other_month is None or other_month == month
    return same_month and other_id in {each.id for each in STEPS[step_id].builds_on}
