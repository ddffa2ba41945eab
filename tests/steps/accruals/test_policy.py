"""The policy of a month stays in its result, a close freezes it, and later months go by it."""

from typing import Any

import pytest

from steps.closing import BlockerKind, Candidate, ClosingRefusedError, Signature, close_month
from steps.engine.gate import Override
from steps.errors import BrokenImportError, ConfigError, PolicyChangedError
from steps.ledger.accrual import ClosedMonth
from steps.ledger.months import MonthWindow
from steps.settings import SyncSettings
from tests.steps.accruals.builders import day
from tests.steps.accruals.database_ledger import LATER, accrue, amounts, execute
from tests.steps.accruals.recorded_imports import executed, failed
from tests.steps.ledger_view import rows

BY_ANA = Override("the auditors want 20 days", "Ana")
CHANGE = "SYNC_RECENT_DAYS is 20, and was 15 when 2024-01 was closed"


def accrue_and_record(month: str, **options: Any) -> dict[str, Any]:
    """The month as a run does it: its execution completes with the result."""
    result = accrue(month, **options)
    executed("accruals", MonthWindow.of(day(month)), result=result)
    return result


def close(month: str) -> None:
    settings: SyncSettings = SyncSettings.load()
    close_month(Candidate(day(month), LATER, settings), Signature("Eva"))


@pytest.fixture
def january(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed with 15 recent days; now they are 20."""
    accrue_and_record("2024-01")
    close("2024-01")
    monkeypatch.setenv("SYNC_RECENT_DAYS", "20")


def test_each_result_keeps_the_whole_policy(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_HOLIDAYS_COUNTRY", "ES")
    monkeypatch.setenv("SYNC_PREWORK_DAYS", "FS=14, ds=7")

    assert accrue("2024-01")["policy"] == {
        "SYNC_ACCRUAL_BASIS": "net",
        "SYNC_ACCRUAL_METHOD": "prospective",
        "SYNC_RECENT_DAYS": "15",
        "SYNC_POSTPONED_MONTHS": "3",
        "SYNC_HOLIDAYS_COUNTRY": "ES",
        "SYNC_PREWORK_DAYS": "DS=7,FS=14",
    }


def test_a_later_month_with_another_policy_is_refused_with_one_line_that_names_both(january: None) -> None:
    with pytest.raises(PolicyChangedError) as refusal:
        accrue("2024-02")

    said = str(refusal.value)
    assert said.startswith(
        f"2024-02 is not accrued, because its policy is not that of the month closed before it: {CHANGE}"
    )
    assert "--override" in said
    assert "\n" not in said
    assert list(amounts()) == ["2024-01"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SYNC_ACCRUAL_BASIS", "total", "SYNC_ACCRUAL_BASIS is total, and was net"),
        ("SYNC_POSTPONED_MONTHS", "2", "SYNC_POSTPONED_MONTHS is 2, and was 3"),
        ("SYNC_HOLIDAYS_COUNTRY", "ES", "SYNC_HOLIDAYS_COUNTRY is ES, and was not set"),
        ("SYNC_PREWORK_DAYS", "FS=14", "SYNC_PREWORK_DAYS is FS=14, and was not set"),
    ],
)
def test_each_setting_of_the_policy_is_frozen(
    ledger: None, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    accrue_and_record("2024-01")
    close("2024-01")
    monkeypatch.setenv(variable, value)

    with pytest.raises(PolicyChangedError, match=said):
        accrue("2024-02")


def test_the_policy_set_back_and_any_other_setting_refuse_nothing(
    january: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_RECENT_DAYS", "15")
    monkeypatch.setenv("SYNC_ERROR_BUDGET", "10")

    accrue("2024-02")

    assert list(amounts()) == ["2024-01", "2024-02"]


def test_a_month_that_is_closed_itself_is_not_refused(january: None) -> None:
    assert accrue("2024-01")["amount_accrued"] == "0.00"


def test_an_override_accrues_with_the_new_policy_and_a_close_freezes_that(january: None) -> None:
    result = accrue_and_record("2024-02", override=BY_ANA)
    assert result["override"] == {"reason": BY_ANA.reason, "by": "Ana", "overridden": [CHANGE]}

    close("2024-02")

    assert [row["policy"]["SYNC_RECENT_DAYS"] for row in rows(ClosedMonth)] == ["15", "20"]
    accrue("2024-03")


def test_a_broken_import_is_said_first_and_an_override_keeps_both(january: None) -> None:
    failed("crm-clients", window=MonthWindow.of(day("2024-02")))
    with pytest.raises(BrokenImportError):
        accrue("2024-02")

    overridden = accrue("2024-02", override=BY_ANA)["override"]["overridden"]

    assert [line.split(" (")[0] for line in overridden] == ["crm-clients 2024-02 failed", CHANGE]


def test_a_month_is_not_closed_with_another_policy_than_it_was_accrued_with(
    ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    accrue_and_record("2024-01")
    monkeypatch.setenv("SYNC_RECENT_DAYS", "20")

    with pytest.raises(ClosingRefusedError) as refusal:
        close("2024-01")

    assert [(blocker.kind, blocker.message) for blocker in refusal.value.blockers] == [
        (
            BlockerKind.POLICY,
            "SYNC_RECENT_DAYS is 20, and was 15 when 2024-01 was accrued: set it back, or accrue it again",
        )
    ]


def test_a_month_that_was_accrued_with_another_policy_before_the_close_needs_the_override_too(
    ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    accrue_and_record("2024-01")
    monkeypatch.setenv("SYNC_RECENT_DAYS", "20")
    accrue_and_record("2024-02")
    monkeypatch.setenv("SYNC_RECENT_DAYS", "15")
    close("2024-01")
    monkeypatch.setenv("SYNC_RECENT_DAYS", "20")

    with pytest.raises(ClosingRefusedError, match=f'{CHANGE}: set it back, or accrue 2024-02 with --override "REASON"'):
        close("2024-02")


def test_the_method_is_part_of_it_and_was_prospective_before_there_was_a_choice(
    ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    accrue_and_record("2024-01")
    close("2024-01")
    for old in (False, True):
        if old:
            execute('UPDATE closed_month SET policy = \'{"SYNC_RECENT_DAYS": "15"}\'')
        monkeypatch.setenv("SYNC_ACCRUAL_METHOD", "catch-up")
        with pytest.raises(
            PolicyChangedError, match="SYNC_ACCRUAL_METHOD is catch-up, and was prospective when 2024-01"
        ):
            accrue("2024-02")

    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", "prospective")
    assert accrue("2024-02")["amount_accrued"] != "0.00"


def test_another_method_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", "linear")

    with pytest.raises(ConfigError, match="SYNC_ACCRUAL_METHOD: Input should be 'prospective' or 'catch-up'"):
        SyncSettings.load()
