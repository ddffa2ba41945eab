"""The five steps over a year, as a run calls them: step by step, month by month, each list read once, and ahead."""

from collections import Counter
from datetime import date
from typing import Any

from steps.catalog import STEPS
from steps.ledger.months import MonthWindow
from tests.steps.calls import (
    one_run,
    sync_crm_clients,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)

YEAR = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))


def import_year(year: MonthWindow = YEAR) -> Counter[str]:
    """Every count of every result, added up; `errors` too."""
    totals: Counter[str] = Counter()
    with one_run(year) as context:
        context.reads.read_ahead(STEPS.values())
        totals.update(sync_services())
        for step in (sync_invoices, sync_crm_clients, sync_service_periods):
            for window in year.months():
                totals.update(step(window))
        totals.update(sync_notion_external_ids())
    return totals


def written(totals: Counter[str]) -> dict[str, Any]:
    """The counts of rows that were written."""
    return {name: count for name, count in totals.items() if name.endswith(("_created", "_updated")) and count}
