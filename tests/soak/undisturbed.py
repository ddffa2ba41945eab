"""The same months in the same order with nothing in the way: `python -m tests.soak.undisturbed 2024-01-01 ...`.

What it leaves in its database is what the soak is compared with.
"""

import sys
from datetime import date

from flows.cli.app import run_command
from steps.ledger.months import next_month


def main() -> None:
    """Import and accrue each month that is named; ends with 1 at the first that fails."""
    for month in map(date.fromisoformat, sys.argv[1:]):
        span = ["--start-date", month.isoformat(), "--end-date", next_month(month).isoformat()]
        for step in ([], ["--from-step", "accruals"]):
            if run_command([*step, *span]) != 0:
                sys.exit(1)


if __name__ == "__main__":
    main()
