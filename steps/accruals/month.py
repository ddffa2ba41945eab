"""Every contract's decision in one month, and the result of the step that says it in figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from steps.accruals.decide import decide
from steps.accruals.facts import AccrualRules, ContractFacts
from steps.accruals.outcome import ContractFailureError, Counted, Outcome
from steps.domain.contract import ContractStatus
from steps.domain.money import ZERO, to_cents
from steps.domain.months import first_of_month


@dataclass(frozen=True, slots=True)
class MonthDecision:
    """Both in order of contract id, in whatever order or batches the contracts came."""

    month: date
    """Its first day."""
    outcomes: tuple[Outcome, ...]
    failures: tuple[ContractFailureError, ...]

    def result(self) -> dict[str, Any]:
        """The step's result, ready for JSON (accruals.md, Result of the step)."""
        counts = {counted: sum(one.counted is counted for one in self.outcomes) for counted in Counted}
        successful, skipped = counts[Counted.SUCCESSFUL], counts[Counted.SKIPPED]
        return {
            "period_start_date": self.month.isoformat(),
            "summary": {
                "total_contracts_processed": successful + skipped + len(self.failures),
                "successful_accruals": successful,
                "failed_accruals": len(self.failures),
                "skipped_accruals": skipped,
            },
            "amount_accrued": str(to_cents(sum((one.amount for one in self.outcomes), ZERO))),
            "contracts_closed": self._became(ContractStatus.CLOSED),
            "contracts_canceled": self._became(ContractStatus.CANCELED),
            "notifications": [
                {"type": note.type.value, "contract_id": note.contract_id, "message": note.message}
                for one in self.outcomes
                for note in one.notifications
            ],
            "failures": [{"contract_id": one.contract_id, "reason": one.reason} for one in self.failures],
        }

    def _became(self, status: ContractStatus) -> int:
        return sum(one.contract_status is status and one.status_before is not status for one in self.outcomes)


def decide_month(
    contracts: Iterable[ContractFacts], month: date, rules: AccrualRules, *, closed: bool
) -> MonthDecision:
    """Each contract by itself: one that cannot be processed stops no other (accruals.md, promises 5 and 6)."""
    outcomes: list[Outcome] = []
    failures: list[ContractFailureError] = []
    for facts in contracts:
        try:
            outcomes.append(decide(facts, month, rules, closed=closed))
        except ContractFailureError as failure:
            failures.append(failure)
    return MonthDecision(
        first_of_month(month),
        tuple(sorted(outcomes, key=lambda one: one.contract_id)),
        tuple(sorted(failures, key=lambda one: one.contract_id)),
    )
