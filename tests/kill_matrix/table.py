"""The table of what was survived: `python -m tests.kill_matrix.table RESULTS.xml... [--write]`, or `make kill-matrix`.

The results are pytest's own (`--junitxml`); each case says there what it was.
"""

from collections import Counter, defaultdict

from tests.kill_matrix.disturbance import Kind, Place
from tests.matrix_results import Tried, write_table

BLOCK = "kill-matrix"
_COLUMNS = (("sqlite", "command line"), ("postgresql", "command line"), ("sqlite", "worker"), ("postgresql", "worker"))

Point = tuple[str, str, str, str]
"""Kind, place, database, how it was run."""


def as_markdown(cases: list[Tried]) -> str:
    """One row a kind and place, one column a database and way of running; `survived / tried`."""
    points = [
        ((each.told["kind"], each.told["place"], each.told["database"], each.told["how"]), each.survived)
        for each in cases
        if "kind" in each.told
    ]
    tried: Counter[Point] = Counter(point for point, _ in points)
    survived: Counter[Point] = Counter(point for point, well in points if well)
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


if __name__ == "__main__":
    write_table(__doc__, BLOCK, as_markdown)
