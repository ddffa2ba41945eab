"""The measured table reaches the README, and nothing else in it changes."""

from pathlib import Path

import pytest

from tests.benchmarks.readme_block import replace_block


def test_what_is_between_the_markers_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("Before\n<!-- bench:x -->\nold\nolder\n<!-- /bench:x -->\nAfter\n", encoding="utf-8")

    for content in ("| new |\n", "| newer |"):
        replace_block(readme, "bench:x", content)

    assert readme.read_text(encoding="utf-8") == "Before\n<!-- bench:x -->\n| newer |\n<!-- /bench:x -->\nAfter\n"


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
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r"README.md has no block"):
        replace_block(readme, "bench:x", "new")

    assert readme.read_text(encoding="utf-8") == text
