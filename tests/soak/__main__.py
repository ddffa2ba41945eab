"""The soak: `python -m tests.soak --minutes 20 [--seed 1] [--report FILE]`, or `make soak`.

A Prefect server, a worker, our API, PostgreSQL and the vendors run as in production, with schedules of a minute or two.
Disturbances come and go, by a plan that is the same for the same seed, at most two at a time. When they are over,
everything has to become whole by itself. Then each promise is looked at. Exit status 0: all hold.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measurements import MEASUREMENTS, replace_block
from tests.soak.checks import Check
from tests.soak.installation import installation
from tests.soak.report import as_markdown, details
from tests.soak.services import end_processes, processes_left
from tests.soak.soak import Options, Soak

_LEAVES_SECONDS = 30.0


def main() -> int:
    """Soak, and say what was survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long it is disturbed (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the plan of disturbances (default: 1)")
    parser.add_argument("--report", type=Path, help="a file for the tables, in Markdown")
    parser.add_argument(
        "--write", action="store_true", help="replace the tables in docs/measurements.md, if all promises held"
    )
    parser.add_argument("--folder", type=Path, help="a new folder for logs and settings, which is kept")
    asked = parser.parse_args()
    # A shell has all ignore interrupts that it starts in the background, and a worker ends by one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = Options(asked.minutes, asked.seed)
    mark = ""
    try:
        with _folder(asked.folder) as folder:
            with installation(folder, options.pace) as made:
                mark = made.mark
                soak = Soak(made, options)
                checks = soak.run()
                survivors, more = soak.survivors(), details(made, soak.happened)
            left = processes_left(mark, _LEAVES_SECONDS)
    finally:
        if mark:
            end_processes(mark)
    checks.append(Check("no process is left", not left, "; ".join(left) or "none"))
    report = as_markdown(options, checks, list(zip(soak.happened, survivors, strict=True)))
    sys.stdout.write(f"{report}\n\n{more}\n")
    if asked.report is not None:
        asked.report.write_text(f"{report}\n", encoding="utf-8")
    if not all(survivors) or not all(check.holds for check in checks):
        return 1
    if asked.write:
        replace_block(MEASUREMENTS, "soak", report)
    return 0


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Where settings and logs are: kept when asked for, so that a soak that failed can be looked into."""
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="sync-soak-") as folder:
        yield Path(folder).resolve()


if __name__ == "__main__":
    sys.exit(main())
