"""The fixed order, from any step (docs/interfaces.md, The six steps)."""

import pytest

from flows.parameters import IMPORT_ORDER, ImportStep, steps_from
from flows.run_steps import TASKS
from steps.catalog import STEPS

ORDER = ["services", "invoices", "crm-clients", "service-periods", "notion-external-id"]


def test_the_order_is_the_specified_one() -> None:
    assert [step.id for step in IMPORT_ORDER] == ORDER
    assert [str(step) for step in ImportStep] == ORDER


@pytest.mark.parametrize("position", range(5))
def test_a_run_from_a_step_skips_those_before_it(position: int) -> None:
    assert [step.id for step in steps_from(ORDER[position])] == ORDER[position:]


def test_the_catalog_holds_the_six_steps_to_the_letter() -> None:
    assert {step.id: (step.name, step.description, step.endpoint, step.by_month) for step in STEPS.values()} == {
        "services": (
            "Sync Services",
            "Import services from Holded",
            "/api/integrations/holded/sync-services",
            False,
        ),
        "invoices": (
            "Sync Invoices",
            "Import invoices and clients from Holded",
            "/api/integrations/holded/sync-invoices-and-clients",
            True,
        ),
        "crm-clients": (
            "Sync CRM Clients",
            "Import students from 4Geeks clients",
            "/api/integrations/fourgeeks/sync-students-from-clients",
            True,
        ),
        "service-periods": (
            "Sync Service Periods",
            "Import enrollments from 4Geeks clients",
            "/api/integrations/fourgeeks/sync-enrollments-from-clients",
            True,
        ),
        "notion-external-id": (
            "Sync Notion External IDs",
            "Import page IDs from Notion clients",
            "/api/integrations/notion/sync-page-ids",
            False,
        ),
        "accruals": (
            "Process Accruals",
            "Process contract accruals for the specified period",
            "/api/accruals/process-contracts",
            True,
        ),
    }


def test_every_step_has_a_task_with_its_id_as_name() -> None:
    assert {step.id: TASKS[step].name for step in STEPS.values()} == {name: name for name in STEPS}
