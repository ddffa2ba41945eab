"""The six steps as data (docs/interfaces.md, The six steps). The order of the import is in `flows/order.py`."""

from dataclasses import dataclass
from enum import StrEnum


class Months(StrEnum):
    """How a step is called over a range of months."""

    ONCE = "once"
    BY_MONTH = "by month"


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
    months: Months

    @property
    def by_month(self) -> bool:
        """Whether it is called once for each month window of the range."""
        return self.months is Months.BY_MONTH


SERVICES = Step(
    "services",
    "Sync Services",
    "Import services from Holded",
    "/api/integrations/holded/sync-services",
    "holded",
    "services",
    Months.ONCE,
)
INVOICES = Step(
    "invoices",
    "Sync Invoices",
    "Import invoices and clients from Holded",
    "/api/integrations/holded/sync-invoices-and-clients",
    "holded",
    "invoices",
    Months.BY_MONTH,
)
CRM_CLIENTS = Step(
    "crm-clients",
    "Sync CRM Clients",
    "Import students from 4Geeks clients",
    "/api/integrations/fourgeeks/sync-students-from-clients",
    "fourgeeks",
    "students",
    Months.BY_MONTH,
)
SERVICE_PERIODS = Step(
    "service-periods",
    "Sync Service Periods",
    "Import enrollments from 4Geeks clients",
    "/api/integrations/fourgeeks/sync-enrollments-from-clients",
    "fourgeeks",
    "periods",
    Months.BY_MONTH,
)
NOTION_EXTERNAL_ID = Step(
    "notion-external-id",
    "Sync Notion External IDs",
    "Import page IDs from Notion clients",
    "/api/integrations/notion/sync-page-ids",
    "notion",
    "pages",
    Months.ONCE,
)
ACCRUALS = Step(
    "accruals",
    "Process Accruals",
    "Process contract accruals for the specified period",
    "/api/accruals/process-contracts",
    "accruals",
    "contracts",
    Months.BY_MONTH,
)

STEPS = {step.id: step for step in (SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID, ACCRUALS)}
"""Every step by its id."""
