"""The result of a month, counted contract by contract: nothing of a contract is kept but what a person must see."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from steps.accruals.outcome import ContractFailureError, Counted, Notification, Outcome
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO, to_cents


@dataclass
class MonthResult:
    """Fed with each contract's outcome or failure, in any order."""

    month: date
    """Its first day."""
    failures: list[ContractFailureError] = field(default_factory=list)
    override: dict[str, Any] | None = None
    """Reason, person and what was overridden; None: nobody asked for an override (`gate.py`)."""
    _notifications: list[Notification] = field(default_factory=list)
    _counted: Counter[Counted] = field(default_factory=Counter)
    _became: Counter[ContractStatus] = field(default_factory=Counter)
    _amount: Decimal = ZERO

    @property
    def seen(self) -> int:
        """How many contracts were counted so far."""
        return self._counted.total() + len(self.failures)

    def add(self, outcome: Outcome) -> None:
        """Count a contract that was decided."""
        self._counted[outcome.counted] += 1
        self._amount += outcome.amount
        self._notifications.extend(outcome.notifications)
        if outcome.contract_status is not outcome.status_before:
            self._became[outcome.contract_status] += 1

    def notify(self, notifications: Iterable[Notification]) -> None:
        """Add what is to be said of the month itself."""
        self._notifications.extend(notifications)

    def fail(self, failure: ContractFailureError) -> None:
        """Count a contract that cannot be processed."""
        self.failures.append(failure)

    def as_result(self) -> dict[str, Any]:
        """The step's result, ready for JSON (accruals.md, Result of the step).

        Lists are by contract id; notifications that are about no contract come first, their `contract_id` is null.
        """
        successful, skipped = self._counted[Counted.SUCCESSFUL], self._counted[Counted.SKIPPED]
        failures = sorted(self.failures, key=lambda failure: failure.contract_id)
        notifications = sorted(self._notifications, key=lambda note: note.contract_id or 0)
        return {
            "period_start_date": self.month.isoformat(),
            "summary": {
                "total_contracts_processed": successful + skipped + len(failures),
                "successful_accruals": successful,
                "failed_accruals": len(failures),
                "skipped_accruals": skipped,
            },
            "amount_accrued": str(to_cents(self._amount)),
            "contracts_closed": self._became[ContractStatus.CLOSED],
            "contracts_canceled": self._became[ContractStatus.CANCELED],
            "notifications": [
                {"type": note.type.value, "contract_id": note.contract_id, "message": note.message}
                for note in notifications
            ],
            "failures": [{"contract_id": one.contract_id, "reason": one.reason} for one in failures],
            "override": self.override,
        }
