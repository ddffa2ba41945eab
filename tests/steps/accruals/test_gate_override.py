"""A person may accrue a month that the gate refuses, with a reason that is kept (docs/accrual-rules.md, Gate)."""

from datetime import UTC, datetime

import pytest

from steps.catalog import ACCRUALS, CRM_CLIENTS, SERVICES
from steps.engine.gate import LONGEST_REASON, Override
from steps.errors import UsageError
from tests.steps.accruals.database_ledger import accrue, amounts
from tests.steps.accruals.recorded_imports import (
    begun,
    executed,
    failed,
)
from tracking.history import find_execution

BY_ANA = Override("the CRM is gone for good", "Ana")
IN_MARCH = datetime(2024, 3, 31, 21, 59, tzinfo=UTC)
"""A minute before midnight in Madrid."""


def test_who_overrides_with_a_reason_accrues_and_stands_in_the_result(ledger: None) -> None:
    broken = failed(CRM_CLIENTS.id, "the CRM is down")
    early = executed(SERVICES.id, at=IN_MARCH)
    own = begun(ACCRUALS.id)

    result = accrue("2024-03", own, override=BY_ANA)

    row = find_execution(own)
    assert result["amount_accrued"] == amounts()["2024-03"] != "0.00"
    assert result["override"] == {
        "reason": "the CRM is gone for good",
        "by": "Ana",
        "overridden": [
            f"services was read on 2024-03-31 (execution {early}), before 2024-03 was over",
            f"crm-clients 2024-03 failed (execution {broken}): the CRM is down",
        ],
    }
    assert row is not None
    assert row.result == result


def test_an_override_that_was_not_needed_says_that_nothing_was_overridden(ledger: None) -> None:
    assert accrue("2024-03", override=BY_ANA)["override"] == {"reason": BY_ANA.reason, "by": "Ana", "overridden": []}


@pytest.mark.parametrize("reason", ["", " \n "])
def test_an_empty_reason_is_refused_in_one_line(reason: str) -> None:
    with pytest.raises(UsageError, match=r"^override: the reason is empty, .*say why, in words$"):
        Override.of(reason, "Ana")


def test_a_reason_beyond_all_measure_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the reason has 501 characters, at most 500 are kept"):
        Override.of("x" * (LONGEST_REASON + 1), "Ana")


def test_a_reason_is_kept_as_one_line_and_nobody_is_unknown() -> None:
    assert Override.of(" two\nlines ", " ") == Override("two lines", "unknown")
