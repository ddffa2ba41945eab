"""The tables of the faults: `python -m tests.faults.table RESULTS.xml... [--write]`, or `make fault-matrix`."""

from collections import Counter

from tests.faults.endpoint import ENDPOINTS, INVOICE, INVOICES_LIST
from tests.faults.wrong import CELLS, EVERY
from tests.matrix_results import Tried, write_table

BLOCK = "fault-matrix"
_SQLITE = "sqlite"


def as_markdown(cells: list[Tried]) -> str:
    """How many cells survived, a row a fault and a column a kind of endpoint; then what is said of each fault."""
    cells = [each for each in cells if "fault" in each.told]
    columns = list(dict.fromkeys(each.column for each in ENDPOINTS))
    heads = [*columns, "all, on PostgreSQL"]
    tried, survived = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for each in cells:
        column = each.told["column"] if each.told["database"] == _SQLITE else heads[-1]
        tried[each.told["fault"], column] += 1
        survived[each.told["fault"], column] += each.survived
    left_out = len(CELLS) - sum(count for (_, column), count in tried.items() if column in columns)
    lines = [
        f"{survived.total()} of {tried.total()} cells survived."
        + (f" {left_out} of the {len(CELLS)} that there are were not tried." if left_out else ""),
        "",
        f"| fault | {' | '.join(heads)} |",
        f"| --- | {' | '.join('---:' for _ in heads)} |",
    ]
    for wrong in EVERY:
        points = [(wrong.name, head) for head in heads]
        counts = [f"{survived[point]} / {tried[point]}" if tried[point] else "" for point in points]
        lines.append(f"| {wrong.name} | {' | '.join(counts)} |")
    return "\n".join([*lines, "", *_what_is_said(cells)])


def _what_is_said(cells: list[Tried]) -> list[str]:
    """Of the list of invoices, and of one that the list lacks and that is asked for by its id."""
    said = {
        (each.told["fault"], each.told["endpoint"]): each.told for each in cells if each.told["database"] == _SQLITE
    }
    lines = [
        "| fault | at the list of invoices: the row | at an invoice that it lacks, by id: the integration error |",
        "| --- | --- | --- |",
    ]
    for wrong in EVERY:
        of_list = said.get((wrong.name, INVOICES_LIST.name)) or said.get(
            (wrong.name, f"{INVOICES_LIST.name}, from page 2")
        )
        by_id = said.get((wrong.name, INVOICE.name))
        texts = [_cell(of_list["row"]) if of_list else "", _cell(by_id["error"]) if by_id else ""]
        if any(texts):
            lines.append(f"| {wrong.name} | {texts[0]} | {texts[1]} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    write_table(__doc__, BLOCK, as_markdown)
