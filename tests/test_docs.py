"""The documents of the repository: what code and documents point at is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.engine.decision_table import ANY, CANCELED, LIVE, TABLE

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
FRONT_DOOR = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
_REFERENCE = re.compile(r"docs/([\w-]+\.md)(?:, ([A-Z0-9][^.,;:()`\"]*))?")
"""Such as `docs/accrual-rules.md, Gate`: a heading, or what a line begins with in bold."""
_ELSEWHERE = re.compile(
    r"(?<!/)\b(?:interfaces|accruals|sync-management|design|recipes|style-study)\.md|\bvendors/\w+\.md"
)
"""Documents of other places, which a reader of this repository does not have."""


def _sources() -> Iterator[Path]:
    for folder in ("flows", "steps", "tracking", "tests"):
        yield from sorted((ROOT / folder).rglob("*.py"))
    yield from (ROOT / name for name in (".env.example", "Makefile", "pyproject.toml"))


def _names(document: Path) -> set[str]:
    lines = document.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"#+ (.+)|- \*\*(.+?)\*\*", line) for line in lines)
    return {match[1] or match[2] for match in found if match}


def _references(text: str) -> Iterator[tuple[str, str]]:
    """Document and heading ("" if none is named), whatever lines they are broken over."""
    for document, heading in _REFERENCE.findall(re.sub(r"\s*\n[\s#]*", " ", text)):
        yield document, heading.strip()


def test_every_document_and_heading_that_code_names_exists() -> None:
    names = {document.name: _names(document) for document in DOCUMENTS}
    wrong = [
        f"{path.relative_to(ROOT)}: docs/{document}, {heading}"
        for path in _sources()
        if path != Path(__file__)
        for document, heading in _references(path.read_text(encoding="utf-8"))
        if document not in names or (heading and heading not in names[document])
    ]

    assert wrong == []


def test_no_code_points_at_a_document_that_is_elsewhere() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in _sources()
        if path != Path(__file__)
        for found in _ELSEWHERE.findall(path.read_text(encoding="utf-8"))
    ]

    assert wrong == []


@pytest.mark.parametrize("document", [*DOCUMENTS, *FRONT_DOOR], ids=lambda path: path.name)
def test_every_link_leads_to_a_file_that_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", text) + re.findall(r'<img src="([^":]+)"', text)

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, *FRONT_DOOR], ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"`((?:flows|steps|tracking|tests|docs)/[\w./-]+)`", document.read_text(encoding="utf-8"))

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_rules_have_the_rows_of_the_decision_table_that_the_program_works_with() -> None:
    """Number, contracts and notification of each row; what its condition means is what the tests of the engine say."""
    rules = (ROOT / "docs/accrual-rules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([\w, ]+) \| (.+)$", rules, re.MULTILINE)
    contracts = {"any": ANY, "ACTIVE, CLOSED": LIVE, "CANCELED": CANCELED}

    told = [(int(number), contracts[which], re.findall(r"notify `(\w+)`", text)) for number, which, text in rows]
    assert told == [(each.number, each.contracts, [each.notice.type] if each.notice else []) for each in TABLE]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


_SHOWN = re.compile(r"`test_\w+`(, `test_\w+`)*|not done|elsewhere")


def test_each_line_of_the_security_table_names_tests_that_exist_or_says_not_done() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    shown = [line.split(" | ")[-1].removesuffix(" |") for line in lines]
    assert len(lines) > 30
    assert [each for each in shown if not _SHOWN.fullmatch(each)] == []
    assert sorted(set(re.findall(r"`(test_\w+)`", text)) - there) == []
