"""One measurement in a process of its own, so that its memory is its own.

`python -m tests.benchmarks.measure BEFORE FIRST LAST` accrues the months from BEFORE to LAST, and measures those from
FIRST on. The ledger is that of `SYNC_DATABASE_URL`; the answer is one line of JSON on standard output.
"""

import json
import resource
import sys
import time
from datetime import date
from typing import Any

from steps.accruals import accrue_month
from steps.context import StepContext
from steps.ledger.months import MonthWindow, next_month
from tracking.database import read_session

_LATER = date(2030, 1, 1)
_KIB = 1024


def measure(before: date, first: date, last: date) -> dict[str, Any]:
    """Accrue the months `before` to `last`.

    Returns:
        Of the months from `first` on: seconds, those of this process's processor, contracts (each month's counted),
        and peak memory in MiB.
    """
    with read_session():
        """The first connection and the check of the schema are no part of a month."""
    with StepContext() as context:
        if before < first:
            for window in MonthWindow(before, first).months():
                accrue_month(context, window, _LATER)
        started, worked, contracts = time.perf_counter(), time.process_time(), 0
        for window in MonthWindow(first, next_month(last)).months():
            contracts += accrue_month(context, window, _LATER).summary.total_contracts_processed
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB
    return {"seconds": seconds, "processor": worked, "contracts": contracts, "peak_mib": peak}


if __name__ == "__main__":
    months = [date.fromisoformat(text) for text in sys.argv[1:]]
    sys.stdout.write(json.dumps(measure(*months)) + "\n")
