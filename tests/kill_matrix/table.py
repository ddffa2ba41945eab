"""The table of what was survived: `python -m tests.kill_matrix.table RESULTS.xml... [--write]`, or `make kill-matrix`.

The results are pytest's own (`--junitxml`); each case says there what it was.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.measurements import MEASUREMENTS, replace_block
from tests.kill_matrix.disturbance import Kind, Place

BLOCK = "kill-matrix"
_COLUMNS = (("sqlite", "command line"), ("postgresql", "command line"), ("sqlite", "worker"), ("postgresql", "worker"))

Point = tuple[str, str, str, str]
"""Kind, place, database, how it was run."""


def read_results(files: Iterable[Path]) -> tuple[Counter[Point], Counter[Point]]:
    """How often each point was tried, and survived; a case that is in several files counts as in the last."""
    cases = {case.get("name"): case for file in files for case in ElementTree.parse(file).iter("testcase")}
    tried: Counter[Point] = Counter()
    survived: Counter[Point] = Counter()
    for case in cases.values():
        told = {each.get("name"): each.get("value") or "" for each in case.iter("property")}
        if "kind" not in told:
            continue
        point = (told["kind"], told["place"], told["database"], told["how"])
        tried[point] += 1
        survived[point] += case.find("failure") is None and case.find("error") is None
    return tried, survived


def as_markdown(tried: Counter[Point], survived: Counter[Point]) -> str:
    """One row a kind and place, one column a database and way of running; `survived / tried`."""
    columns = [column for column in _COLUMNS if any(point[2:] == column for point in tried)]
    heads = [f"{'SQLite' if database == 'sqlite' else 'PostgreSQL'}, {how}" for database, how in columns]
    lines = [
        f"{survived.total()} of {tried.total()} runs survived.",
        "",
        f"| what happened | where | {' | '.join(heads)} |",
        f"| --- | --- | {' | '.join('---:' for _ in columns)} |",
    ]
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind in Kind:
        for place in Place:
            for column in columns:
                point = (str(kind), str(place), *column)
                rows[kind, place].append(f"{survived[point]} / {tried[point]}" if tried[point] else "")
    lines += [f"| {kind} | {place} | {' | '.join(cells)} |" for (kind, place), cells in rows.items() if any(cells)]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and with `--write` keep it in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("results", type=Path, nargs="+")
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    asked = options.parse_args()
    table = as_markdown(*read_results(asked.results))
    if (parts := len(asked.results)) > 1:
        table += f"\n\nPut together from {parts} runs of parts of it, between which tests and program were repaired; "
        table += "each case counts as it ended last."
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, BLOCK, table)


if __name__ == "__main__":
    main()
