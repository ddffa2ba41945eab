"""The five steps over a year, as a run calls them: step by step, month by month, each list read once."""

from collections import Counter
from datetime import date
from typing import Any

from steps.crm_clients import sync_crm_clients
from steps.invoices import sync_invoices
from steps.ledger.months import MonthWindow
from steps.notion_external_ids import sync_notion_external_ids
from steps.service_periods import sync_service_periods
from steps.services import sync_services
from steps.sources import shared_reads

YEAR = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))


def import_year(year: MonthWindow = YEAR) -> Counter[str]:
    """Every count of every result, added up; `errors` too."""
    totals: Counter[str] = Counter()
    with shared_reads(year):
        totals.update(sync_services())
        for step in (sync_invoices, sync_crm_clients, sync_service_periods):
            for window in year.months():
                totals.update(step(window))
        totals.update(sync_notion_external_ids())
    return totals


def written(totals: Counter[str]) -> dict[str, Any]:
    """The counts of rows that were written."""
    return {name: count for name, count in totals.items() if name.endswith(("_created", "_updated")) and count}
