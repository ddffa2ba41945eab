"""A measured table reaches docs/measurements.md, and nothing else in it changes."""

from pathlib import Path

import pytest

from tests.benchmarks.measurements import MEASUREMENTS, replace_block


def test_what_is_between_the_markers_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "measurements.md"
    document.write_text("Before\n<!-- bench:x -->\nold\nolder\n<!-- /bench:x -->\nAfter\n", encoding="utf-8")

    for content in ("| new |\n", "| newer |"):
        replace_block(document, "bench:x", content)

    assert document.read_text(encoding="utf-8") == "Before\n<!-- bench:x -->\n| newer |\n<!-- /bench:x -->\nAfter\n"


@pytest.mark.parametrize(
    "text",
    [
        "no markers\n",
        "<!-- bench:x -->\nnever closed\n",
        "<!-- /bench:x -->\n<!-- bench:x -->\n",
        "<!-- bench:x -->\n<!-- /bench:x -->\n<!-- bench:x -->\n<!-- /bench:x -->\n",
    ],
)
def test_a_file_without_the_block_is_refused_and_left_as_it_is(text: str, tmp_path: Path) -> None:
    document = tmp_path / "measurements.md"
    document.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r"measurements.md has no block"):
        replace_block(document, "bench:x", "new")

    assert document.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "block",
    [
        "kill-matrix",
        "bench:imports",
        "bench:accruals",
        "bench:tracking",
        "bench:dispatch",
        "bench:starting",
        "bench:history",
        "bench:page",
        "bench:scale",
    ],
)
def test_every_measured_table_has_its_place_in_the_document(block: str, tmp_path: Path) -> None:
    document = tmp_path / "measurements.md"
    document.write_bytes(MEASUREMENTS.read_bytes())

    replace_block(document, block, "| measured |")

    assert "| measured |" in document.read_text(encoding="utf-8")
