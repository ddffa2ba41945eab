"""What failed, and why, in a line that stays short however much did."""

from collections import defaultdict
from collections.abc import Iterable


def told_by_reason(failures: Iterable[tuple[str, str]]) -> list[str]:
    """`invoices 2024-03, invoices 2024-04: why`, of pairs (name, why): what failed for one reason is named together."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in failures:
        names[reason].append(name)
    return [f"{', '.join(those)}: {reason}" for reason, those in names.items()]
