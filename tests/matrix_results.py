"""What the cells of a matrix came to: from pytest's own results (`--junitxml`), in which each cell says what it was."""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.benchmarks.measurements import MEASUREMENTS, replace_block


@dataclass(frozen=True)
class Tried:
    """One cell."""

    told: dict[str, str]
    """What its test recorded as properties."""
    survived: bool


def read_results(files: Iterable[Path]) -> list[Tried]:
    """The cells; one that is in several files counts as in the last."""
    cases = {case.get("name"): case for file in files for case in ElementTree.parse(file).iter("testcase")}
    return [
        Tried(
            {each.get("name") or "": each.get("value") or "" for each in case.iter("property")},
            case.find("failure") is None and case.find("error") is None,
        )
        for case in cases.values()
    ]


def write_table(what: str | None, block: str, as_markdown: Callable[[list[Tried]], str]) -> None:
    """Print the table of the results that the command line names; with `--write` keep it in docs/measurements.md.

    Args:
        what: Says the command line's `--help`.
        block: Name of the markers in the file.
        as_markdown: Makes the table.
    """
    options = argparse.ArgumentParser(description=what)
    options.add_argument("results", type=Path, nargs="+")
    options.add_argument("--write", action="store_true", help="replace the table in docs/measurements.md")
    asked = options.parse_args()
    table = as_markdown(read_results(asked.results))
    if (parts := len(asked.results)) > 1:
        table += f"\n\nPut together from {parts} runs of parts of it, between which tests and program were repaired; "
        table += "each case counts as it ended last."
    sys.stdout.write(f"{table}\n")
    if asked.write:
        replace_block(MEASUREMENTS, block, table)
