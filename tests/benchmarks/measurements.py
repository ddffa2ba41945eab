"""A part of a Markdown file that a program writes, between two comments that readers do not see."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASUREMENTS = ROOT / "docs" / "measurements.md"
"""Where `make kill-matrix` and `make bench` write their tables."""


def replace_block(file: Path, name: str, content: str) -> None:
    """Put `content` between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: the file does not have both markers, once each and in this order; it is left as it is.
    """
    opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    text = file.read_text(encoding="utf-8")
    before, found, rest = text.partition(opening)
    _, ended, after = rest.partition(closing)
    if not found or not ended or opening in after or closing in after:
        raise ValueError(f"{file.name} has no block between {opening.strip()} and {closing.strip()}")
    file.write_text(f"{before}{opening}{content.strip()}\n{closing}{after}", encoding="utf-8")
