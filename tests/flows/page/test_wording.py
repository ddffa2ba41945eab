"""Executions and standings in the reader's language; what a step said itself stays as it is."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from flows.page.components import failures_text, outcome_text, standing_text
from flows.page.texts import Language, Texts
from flows.plan import Assessment, StepRun, StepRunState
from steps.catalog import ACCRUALS, CRM_CLIENTS
from steps.ledger.months import MonthWindow
from tracking.models import ExecutionStatus, SyncExecution

MADRID = ZoneInfo("Europe/Madrid")
ENGLISH, SPANISH = Texts(Language.EN, MADRID), Texts(Language.ES, MADRID)
MARCH = MonthWindow.of(date(2024, 3, 1))


def _failed(month: int, reason: str) -> SyncExecution:
    return SyncExecution(
        step_name="invoices",
        window_start=date(2024, month, 1),
        status=ExecutionStatus.FAILED,
        error_message=reason,
    )


def _completed(step_name: str, result: dict[str, object]) -> SyncExecution:
    return SyncExecution(step_name=step_name, status=ExecutionStatus.COMPLETED, details={"result": result})


def test_months_that_failed_for_one_reason_are_told_together_and_many_reasons_are_counted() -> None:
    run = [_failed(1, "no answer"), _completed("invoices", {}), _failed(3, "no answer")]
    many = [_failed(month, f"reason {month}") for month in range(1, 7)]

    assert failures_text(ENGLISH, "Sync Invoices", run) == (
        "Sync Invoices: 2 of 3 failed: Jan 2024, Mar 2024: no answer"
    )
    assert failures_text(SPANISH, "Sincronizar facturas", many) == (
        "Sincronizar facturas: 6 de 6 fallidas: ene 2024: reason 1; feb 2024: reason 2; mar 2024: reason 3; "
        "y 3 motivos más"
    )


def test_a_step_without_months_is_told_by_its_name() -> None:
    failed = SyncExecution(step_name="services", status=ExecutionStatus.FAILED, error_message="no key")

    assert failures_text(ENGLISH, "Try again", [failed]) == "Try again: 1 of 1 failed: Sync Services: no key"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (ENGLISH, "contracts processed 12, accrued 10, amount accrued 1,234.50 EUR, contracts closed 1"),
        (SPANISH, "contratos procesados 12, devengados 10, importe devengado 1.234,50 EUR, contratos cerrados 1"),
    ],
)
def test_a_month_of_accruals_is_summed_up_without_what_is_zero(texts: Texts, said: str) -> None:
    summary = {"total_contracts_processed": 12, "successful_accruals": 10, "failed_accruals": 0}
    result = {
        "period_start_date": "2024-03-01",
        "summary": summary,
        "amount_accrued": "1234.50",
        "accrued_by_currency": {"EUR": "1234.50"},
        "contracts_closed": 1,
        "contracts_canceled": 0,
        "notifications": [],
    }

    assert outcome_text(texts, _completed("accruals", result)) == said


def test_a_step_that_changed_nothing_had_nothing_to_do() -> None:
    result = {"amount_accrued": "0.00", "accrued_by_currency": {}, "invoices_created": 0}

    assert outcome_text(SPANISH, _completed("accruals", result)) == "Nada que hacer"


def test_why_a_month_stands_as_it_does_is_told_in_spanish_too() -> None:
    source = SyncExecution(id=7, step_name="invoices", window_start=MARCH.start)
    stale = Assessment(StepRun(CRM_CLIENTS, MARCH), StepRunState.stale, "in English", 3, source)

    assert standing_text(SPANISH, stale) == "Sincronizar facturas, marzo 2024 ha cambiado algo después: ejecución 7"
    assert standing_text(SPANISH, Assessment(StepRun(ACCRUALS, MARCH), StepRunState.stale, "in English")) == (
        "se leyó antes de que acabara el mes"
    )
    assert (
        standing_text(SPANISH, Assessment(StepRun(ACCRUALS, MARCH), StepRunState.missing)) == "no se ha ejecutado nunca"
    )


def test_the_reason_of_a_failed_month_is_left_to_what_the_step_said() -> None:
    failed = Assessment(StepRun(CRM_CLIENTS, MARCH), StepRunState.failed, "no answer")

    assert standing_text(SPANISH, failed) == ""
