"""Both languages say everything, and the code asks only for what there is."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from flows.page.app import VIEWS
from flows.page.texts import TEXTS, Language, Texts, preferred_language
from flows.page.views.todo import KINDS
from flows.parameters import Only
from flows.plan import StepRunState
from flows.runs import Stage
from steps.catalog import STEPS
from steps.closing import BlockerKind
from steps.engine.contract_month import NotificationType
from steps.engine.decision_table import TABLE
from steps.ledger.accrual import ClosingAction
from steps.reports.contracts import EntryKind
from steps.reports.reconciliation import DifferenceKind
from steps.reports.worklist import WorkKind
from tracking.models import ErrorStatus, ExecutionStatus

ENGLISH, SPANISH = TEXTS[Language.EN], TEXTS[Language.ES]
FOLDER = Path(__file__).parents[3] / "flows" / "page"
MADRID = ZoneInfo("Europe/Madrid")


def _blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert ENGLISH.keys() == SPANISH.keys()


def test_no_text_is_empty() -> None:
    assert all(text.strip() for texts in (ENGLISH, SPANISH) for text in texts.values())


def test_a_text_has_the_same_blanks_in_both_languages() -> None:
    assert {key for key in ENGLISH if _blanks(ENGLISH[key]) != _blanks(SPANISH[key])} == set()


def test_every_key_that_the_code_names_is_there() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py"))
    named = set(re.findall(r'\btexts\(\s*"([^"]+)"', code)) | set(re.findall(r'\btexts\["([^"]+)"\]', code))

    assert len(named) > 50
    assert named - ENGLISH.keys() == set()


def test_every_state_status_step_and_view_has_its_text() -> None:
    wanted = {f"state.{each}" for each in StepRunState} | {f"status.{each}" for each in ExecutionStatus}
    wanted |= {f"error.{each}" for each in ErrorStatus} | {f"view.{each}" for each in VIEWS}
    wanted |= {f"notice.{each}" for each in NotificationType} | {f"blocker.{each}" for each in BlockerKind}
    wanted |= {f"entry.{each}" for each in EntryKind} | {f"rule.{rule.number}" for rule in TABLE}
    wanted |= {f"run.only.{each}" for each in Only} | {f"closing.event.{each}" for each in ClosingAction}
    wanted |= {f"reconciled.{each.name.lower()}" for each in DifferenceKind}
    wanted |= {f"work.{kind}{what}" for kind in WorkKind for what in ("", ".do")}
    wanted |= {f"todo.{kind}{what}" for kind in (*KINDS, "contract", "other") for what in ("", ".do")}
    wanted |= {f"run.stage.{each}" for each in (Stage.waits_for_worker, Stage.waits_for_run, Stage.starting)}
    wanted |= {f"integration.{step.integration}" for step in STEPS.values()}
    wanted |= {f"step.{each}" for each in STEPS} | {f"step.{each}.what" for each in STEPS}

    assert wanted - ENGLISH.keys() == set()


def test_steps_are_called_in_english_as_everywhere() -> None:
    told = {step.id: (ENGLISH[f"step.{step.id}"], ENGLISH[f"step.{step.id}.what"]) for step in STEPS.values()}

    assert told == {step.id: (step.name, step.description) for step in STEPS.values()}


@pytest.mark.parametrize("language", Language)
def test_a_year_has_twelve_names_of_months_short_and_long(language: Language) -> None:
    texts = Texts(language, MADRID)

    assert len(texts("months.short").split()) == len(texts("months.long").split()) == 12


@pytest.mark.parametrize(("language", "amount", "text"), [("en", "1234.5", "1,234.50"), ("es", "1234.5", "1.234,50")])
def test_amounts_are_written_as_the_language_does(language: str, amount: str, text: str) -> None:
    assert Texts(Language(language), MADRID).money(Decimal(amount)) == text


def test_an_amount_has_its_currency_and_two_are_never_added() -> None:
    texts = Texts(Language.EN, MADRID)

    assert texts.amounts({"EUR": Decimal("94196.24"), "USD": Decimal("764.25"), "GBP": Decimal(0)}) == (
        "94,196.24 EUR · 764.25 USD"
    )
    assert Texts(Language.ES, MADRID).amount(Decimal(0), "EUR") == "0,00 EUR"


def test_an_amount_of_zero_is_a_dash() -> None:
    assert Texts(Language.ES, MADRID).money(Decimal("0.00")) == "-"


def test_a_cell_is_called_by_step_and_month() -> None:
    assert Texts(Language.EN, MADRID).step_run("invoices", date(2024, 3, 1)) == "Sync Invoices, March 2024"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("es-ES,es;q=0.9,en;q=0.8", "es"), ("de-DE,de;q=0.9,es;q=0.5", "es"), ("fr", "en"), ("", "en"), ("en-GB", "en")],
)
def test_the_browsers_first_language_that_the_page_speaks_is_taken(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language
