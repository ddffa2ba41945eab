"""What a run of the fuzzing came to: `python -m tests.fuzz.figures RESULTS.xml [--write]`, or `make fuzz`.

The results are pytest's own (`--junitxml`); each part of the long test says there what it did.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.measurements import MEASUREMENTS, replace_block

BLOCK = "fuzz"
_KINDS = ("service", "contact", "invoice", "credit_note", "student", "enrollment", "page")


def read_results(file: Path) -> tuple[Counter[str], int]:
    """The figures of all parts added up, and how many parts failed."""
    figures: Counter[str] = Counter()
    failed = 0
    for case in ElementTree.parse(file).iter("testcase"):
        figures.update({str(each.get("name")): int(each.get("value") or 0) for each in case.iter("property")})
        failed += case.find("failure") is not None or case.find("error") is not None
    return figures, failed


def as_markdown(figures: Mapping[str, int], failed: int) -> Iterator[str]:
    """A sentence, and a row for each kind of record."""
    held = "every property held" if not failed else f"{failed} parts of the run failed"
    damaged = sum(figures[f"damaged {kind}"] for kind in _KINDS)
    yield f"{damaged:,} damaged records in {figures['examples']} imports of an academy: {held}."
    yield ""
    yield "| record | damaged | in trouble afterwards |"
    yield "| --- | ---: | ---: |"
    for kind in _KINDS:
        yield f"| {kind.replace('_', ' ')} | {figures[f'damaged {kind}']:,} | {figures[f'in trouble {kind}']:,} |"
    yield ""
    yield f"{figures['untouched']:,} times a client without a damaged record was compared with an undisturbed import."


def main() -> None:
    """Print the figures, and with `--write` keep them in docs/measurements.md."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("results", type=Path)
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    asked = options.parse_args()
    text = "\n".join(as_markdown(*read_results(asked.results)))
    sys.stdout.write(f"{text}\n")
    if asked.write:
        replace_block(MEASUREMENTS, BLOCK, text)


if __name__ == "__main__":
    main()
