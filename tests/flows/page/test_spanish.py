"""Every message that a step, a rule or a vendor's reader writes has its Spanish text on the page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from flows.page.spanish import in_spanish
from flows.page.texts import Language, Texts

ROOT = Path(__file__).parents[3]
SPANISH = Texts(Language.ES, ZoneInfo("Europe/Madrid"))
SPEAKING = (
    *(path for path in (ROOT / "steps").glob("*.py") if path.stem not in {"settings", "results"}),
    *(ROOT / "steps/engine").glob("*.py"),
    *(ROOT / "steps/ledger").glob("*.py"),
    *(path for path in (ROOT / "steps/reports").glob("*.py") if path.stem not in {"export", "pack"}),
    *(ROOT / "steps/vendors").glob("*.py"),
    *(ROOT / "flows" / f"{name}.py" for name in ("parameters", "plan", "runs")),
    ROOT / "tracking/recorder.py",
)
"""Modules whose errors, refusals and reasons the page shows. Settings are the administrator's; files are English."""
_SENTENCE = re.compile(r"[a-z]{2,} [a-z(]|5 [a-z]{2}|[a-z] 5")
PARTS = {
    "5 (execution 5)",
    "5 (execution 5, run 5)",
    "page 5 of client 5 ",
    ": the link is kept",
    "no longer has the client's email",
    "is gone from Notion",
    "5 5: 5 by 5 are left to the first open month",
    "the contract is CANCELED, but 5; 5",
    "5, but now there is 5 from 5 to 5",
    "no date",
    "5: 5 (cohort type 5)",
    "5s of 5",
    "5: unless it is resumed, 5 accrues all that remains",
    "5 is 5",
    "no longer there",
    "load 5 ",
    "was reverted already",
    "of opening balances is not there",
}
"""Of messages; whole ones are below."""
ELSEWHERE = {
    "5 was the hash of 5: 5 5 it since",
    "no close has the hash 5: what was closed with it was removed or changed",
    "--expect 5 is no hash of a close: 64 hexadecimal digits are expected",
    "The hash expected is that of 5, which 5 closed.",
    "overlap 5 is not known: one of 5 is expected",
    "--month is a range of its own: leave out --year, --start-date and --end-date",
    "there is no plan 5: `sync-actions plan` makes one",
    "plan 5 is out of date: 5. Make a new one with sync-actions plan",
    "period 5: no month of 5 is over yet; 5 is",
    "the table leaves no contract undecided",
    "stamina ends with an answer or an error",
    "Running hook 'mirror'",
    "Finished in state Completed",
    "import 5 from 5",
    "accruals 5",
    "retry 5 error5",
    "import plan 5",
    "accruals plan 5",
    "a worker: none is online in the work pool 5",
    "income accounts",
    "5 processed again: 5",
    "5 contract5",
    "nothing changes",
    "redo 55",
    "a JSON object was expected",
}
"""Names, logs, what only the command line says, and what nobody reads."""


def test_every_message_of_the_steps_has_its_spanish_text() -> None:
    missing, seen = {}, set()
    for path in SPEAKING:
        for line, message in _messages(ast.parse(path.read_text(encoding="utf-8"))):
            seen.add(message)
            if message not in PARTS | ELSEWHERE and in_spanish(message, str, in_a_blank=True) is None:
                missing[f"{path.relative_to(ROOT)}:{line}"] = message

    assert missing == {}
    assert len(seen) > 150


def _messages(module: ast.Module) -> Iterator[tuple[int, str]]:
    """What is raised, yielded or returned as a text, each blank of it as `5`."""
    for node in ast.walk(module):
        if isinstance(node, (ast.Raise, ast.Yield, ast.Return)):
            parts = {part for each in ast.walk(node) if isinstance(each, ast.JoinedStr) for part in ast.walk(each)}
            parts -= {each for each in ast.walk(node) if isinstance(each, ast.JoinedStr)}
            for each in ast.walk(node):
                if each not in parts and _SENTENCE.search(text := _text(each)):
                    yield node.lineno, text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "5" for each in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("2024-01 comes before it and is still open", "enero 2024 es anterior y sigue abierto"),
        (
            "contact 449b (Ángel Åkesson) has no usable email: its documents are kept without client and contract",
            "el contacto 449b (Ángel Åkesson) no tiene un correo válido: "
            "sus documentos se guardan sin cliente ni contrato",
        ),
        (
            "contract 52 does not tie out: 7200.00 in documents, and the accruals never processed it",
            "el contrato 52 no cuadra: 7.200,00 en documentos, y los devengos no lo procesaron nunca",
        ),
        (
            "invoice 7f: total: '1.234,56' is not an amount; a number such as 1234.56 is expected",
            "factura 7f: total: '1.234,56' no es un importe; se espera un número como 1234,56",
        ),
        (
            "no period, and Notion says nothing (no date); 2750.50 EUR remain",
            "sin matrícula, y Notion dice nada (sin fecha); quedan 2.750,50 EUR",
        ),
        (
            "page 5a of client 7 is gone from Notion: the link is kept",
            "la página 5a del cliente 7 ya no está en Notion: el enlace se conserva",
        ),
        ("execution 9 of invoices is running", "la ejecución 9 de Sincronizar facturas está en curso"),
        ("3851.85 x 13 / 32 = 1564.81", "3.851,85 × 13 / 32 = 1.564,81"),
        (
            "its postings are and its policy is not what it was closed with",
            "sus registros no son y su política no es lo que había al cerrarlo",
        ),
    ],
)
def test_a_message_is_told_in_spanish_with_its_months_and_amounts(said: str, told: str) -> None:
    assert SPANISH.said(said) == told


def test_english_messages_have_their_months_and_amounts_as_everywhere_and_ids_and_dates_as_they_are() -> None:
    said = "2024-01: contract 5 has 7200.00 EUR of 2024-01-31 in madrid-2024-01, '1.234,56' and 65a-2024-01"
    told = "January 2024: contract 5 has 7,200.00 EUR of 2024-01-31 in madrid-2024-01, '1.234,56' and 65a-2024-01"
    assert Texts(Language.EN, SPANISH.zone).said(said) == told


def test_a_message_that_is_not_known_is_left_to_its_own_language() -> None:
    assert SPANISH.said("something that no step says") is None
