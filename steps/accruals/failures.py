"""Contracts that could not be processed, as integration errors: pending until a month that failed is passed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select
from sqlmodel import Session, col

from steps.accruals.outcome import ContractFailureError
from steps.catalog import ACCRUALS
from tracking.error_book import FoundError, RecordKey, record_errors
from tracking.integration_error import ErrorStatus, IntegrationError

ENTITY_TYPE = "service_contract"
FIRST_MONTH = "first_month"
"""In the details: the first month that a contract failed in, as an ISO date."""


@dataclass(frozen=True)
class FailureBook:
    """One month's failures, against those that are pending from before."""

    month: date
    pending: dict[str, str]
    """Contract id -> first month that failed."""
    mended: set[RecordKey] = field(default_factory=set)

    @classmethod
    def open(cls, session: Session, month: date) -> "FailureBook":
        """With what is pending before the month is processed."""
        query = select(col(IntegrationError.entity_external_id), col(IntegrationError.error_details)).where(
            col(IntegrationError.operation) == ACCRUALS.id, col(IntegrationError.status) == ErrorStatus.PENDING
        )
        pending = session.execute(query)
        return cls(month, {contract_id: details.get(FIRST_MONTH, "") for contract_id, details in pending})

    def passed(self, contract_id: int) -> None:
        """A contract was processed. An error that only later months have met is not mended by this one."""
        key = str(contract_id)
        if key in self.pending and self.pending[key] <= self.month.isoformat():
            self.mended.add((ENTITY_TYPE, key))

    def record(self, session: Session, failures: Iterable[ContractFailureError], execution_id: int | None) -> None:
        """Write the month's failures down, in the transaction of the postings; `execution_id` met them, if any did."""
        record_errors(
            session,
            integration=ACCRUALS.integration,
            operation=ACCRUALS.id,
            execution_id=execution_id,
            found=[self._found(failure) for failure in failures],
            passed=self.mended,
        )

    def _found(self, failure: ContractFailureError) -> FoundError:
        month = self.month.isoformat()
        first = min(self.pending.get(failure.external_id, month), month)
        return FoundError(failure.entity_type, failure.external_id, failure.reason, {FIRST_MONTH: first})
