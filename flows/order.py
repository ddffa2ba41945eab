"""The order of the import, and nothing else: this file alone knows it.

Services exist before contracts, invoices before the clients that the CRM is asked about, clients before their periods,
periods before accruals; external ids come last for completeness (docs/interfaces.md, The six steps).
"""

from enum import StrEnum

from steps.catalog import CRM_CLIENTS, INVOICES, NOTION_EXTERNAL_ID, SERVICE_PERIODS, SERVICES, Step

IMPORT_ORDER = (SERVICES, INVOICES, CRM_CLIENTS, SERVICE_PERIODS, NOTION_EXTERNAL_ID)


class ImportStep(StrEnum):
    """The import steps as a drop-down, in their order."""

    services = SERVICES.id
    invoices = INVOICES.id
    crm_clients = CRM_CLIENTS.id
    service_periods = SERVICE_PERIODS.id
    notion_external_id = NOTION_EXTERNAL_ID.id


def steps_from(step_id: str) -> tuple[Step, ...]:
    """The import steps from this one on."""
    ids = [step.id for step in IMPORT_ORDER]
    return IMPORT_ORDER[ids.index(step_id) :]
