"""Changes at the vendors, the table: `python -m tests.steps.drift.table RESULTS.xml... [--write]`, or `make drift`."""

from tests.matrix_results import Tried, write_table
from tests.steps.drift.changes import KINDS

BLOCK = "drift"
_DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def as_markdown(cases: list[Tried]) -> str:
    """One row a kind of change: what is kept while it lasts, and how many sequences ended as a fresh import."""
    cells = {(each.told["what"], each.told["database"]): each for each in cases if "sequences" in each.told}
    equal = [each for each in cells.values() if each.survived]
    lines = [
        f"{len(equal)} of {len(cells)} kinds and databases: each of"
        f" {sum(int(each.told['sequences']) for each in equal)} sequences ended as a fresh import.",
        "",
        f"| what changes | kept by design while it lasts | {' | '.join(_DATABASES.values())} |",
        f"| --- | --- | {' | '.join('---:' for _ in _DATABASES)} |",
    ]
    for kind in KINDS:
        found = [cells.get((kind.what, database)) for database in _DATABASES]
        texts = [(each.told["sequences"] if each.survived else "not equal") if each else "" for each in found]
        lines.append(f"| {kind.what} | {kind.kept} | {' | '.join(texts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write_table(__doc__, BLOCK, as_markdown)
