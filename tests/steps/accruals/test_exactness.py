"""No binary float anywhere in the engine, and nothing that reads a clock, a database or a network."""

import ast
from pathlib import Path

import pytest

import steps.engine

ENGINE = sorted(Path(steps.engine.__path__[0]).glob("*.py"))
PURE = {
    "month",
    "check",
    "notices",
    "conditions",
    "contract_month",
    "periods",
    "sessions",
    "amounts",
    "carry_out",
    "decide",
    "inputs",
    "outcome",
    "rule",
}
SAFE = {
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "itertools",
    "typing",
}


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_no_float_is_written_or_made(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.Name) and node.id in ("float", "round"))
        if path.stem in PURE:
            assert not isinstance(node, ast.Div), "true division of whole numbers makes a float"


@pytest.mark.parametrize("path", [path for path in ENGINE if path.stem in PURE], ids=lambda path: path.stem)
def test_the_heart_asks_nobody_anything(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or node.names[0].name
            assert module.split(".")[0] in {*SAFE, "steps"}
            assert not module.startswith("steps.") or module.startswith(
                ("steps.engine", "steps.ledger", "steps.errors")
            )
        assert not (isinstance(node, ast.Attribute) and node.attr in ("today", "now", "utcnow", "fromtimestamp"))
