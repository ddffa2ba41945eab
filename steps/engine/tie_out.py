"""Checks that a month adds up before it is committed (docs/accrual-rules.md, Promise 1)."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Float, case, func, literal_column, select, type_coerce
from sqlmodel import Session

from steps.engine.load import CONTRACT, DOCUMENT, POSTING, STATE, Chunk, Query, is_due, with_state
from steps.errors import AccrualError
from steps.ledger.contract import ServiceContract
from steps.ledger.money import LARGEST
from steps.ledger.movements import cents, from_cents, sum_of_cents
from steps.ledger.upsert import table_of

_NAMED = 5
"""Contracts that the error names; of more it says how many."""


@dataclass
class LedgerCheck:
    """Fed chunk by chunk; `finish` compares the sum of all with the documents of the whole ledger."""

    session: Session
    last_day: date
    amount: Any
    """The column of a document's amount (`SYNC_ACCRUAL_BASIS`)."""
    _breaches: list[str] = field(default_factory=list)
    _explained: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Cents by currency: what is accrued or remains, and the documents of contracts that were left as they are."""

    def check(self, chunk: Chunk, *, decided: Collection[int], failed: Collection[int]) -> None:
        """Note each contract of the chunk that breaks the promise.

        Args:
            chunk: as it was processed, its rows now written.
            decided: contracts whose state is now that of this month. Of the others the documents may have changed
                since their last month; their state must be the sum of their postings all the same.
            failed: contracts left as they are, whatever that is.
        """
        rows = self.session.execute(self._sums(chunk)).all()
        for contract_id, currency, total, accrued, remaining, posted, documents in rows:
            self._explained[currency] += accrued + remaining if contract_id in decided else documents
            who = f"contract {contract_id}"
            if contract_id in failed:
                continue
            if accrued != posted:
                self._note(who, "its postings add up to", posted, "its state says", accrued)
            if accrued + remaining != total:
                self._note(who, "accrued and remaining are", accrued + remaining, "its total is", total)
            if contract_id in decided and total != documents:
                self._note(who, "its total is", total, "its documents add up to", documents)

    def finish(self) -> None:
        """Raise if any contract, or the sum of all, broke the promise.

        Raises:
            AccrualError: it names the first contracts and says how many there are.
        """
        invoiced = {currency: amount for amount, currency in self.session.execute(self._all_documents())}
        for currency in () if self._breaches else sorted(invoiced.keys() | self._explained.keys()):
            explained, documents = self._explained.get(currency, 0), invoiced.get(currency, 0)
            if explained != documents:
                self._note(
                    f"all contracts in {currency}",
                    "they account for",
                    explained,
                    "their documents add up to",
                    documents,
                )
        if self._breaches:
            more = len(self._breaches) - _NAMED
            named = "; ".join(self._breaches[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
            raise AccrualError(f"{self.last_day:%Y-%m} is left as it was, it would not add up: {named}")

    def _note(self, who: str, one: str, amount: int, other: str, other_amount: int) -> None:
        self._breaches.append(f"{who}: {one} {from_cents(amount)}, {other} {from_cents(other_amount)}")

    def _sums(self, chunk: Chunk) -> Query:
        amounts = (STATE.total_to_accrue, STATE.accrued_amount, STATE.remaining_amount_to_accrue)
        return (
            select(
                CONTRACT.id,
                CONTRACT.contract_currency,
                *(func.coalesce(_usable_cents(amount), 0) for amount in amounts),
                _postings().scalar_subquery(),
                self._documents().correlate(table_of(ServiceContract)).scalar_subquery(),
            )
            .select_from(with_state())
            .where(chunk.holds(CONTRACT.id))
        )

    def _documents(self) -> Query:
        """The documents of a contract up to the month's last day."""
        amount = DOCUMENT[self.amount.key]
        return select(sum_of_cents(amount)).where(
            DOCUMENT.service_contract_id == CONTRACT.id,
            DOCUMENT.voided_at.is_(None),
            DOCUMENT.invoice_date <= self.last_day,
            _is_usable(amount),
        )

    def _all_documents(self) -> Query:
        """The same for all contracts that are due, by currency of the contract."""
        currency = CONTRACT.contract_currency
        return self._documents().add_columns(currency).where(is_due(self.last_day)).group_by(currency)


def _postings() -> Query:
    return select(sum_of_cents(POSTING.accrued_amount)).where(
        POSTING.contract_accrual_id == STATE.id, _is_usable(POSTING.accrued_amount)
    )


def _is_usable(amount: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column holds an amount at all; a contract with one that is none is among the failed."""
    return type_coerce(amount, Float).between(literal_column(f"-{LARGEST}"), literal_column(f"{LARGEST}"))


def _usable_cents(amount: ColumnElement[Any]) -> ColumnElement[int]:
    return case((_is_usable(amount), cents(amount)))
