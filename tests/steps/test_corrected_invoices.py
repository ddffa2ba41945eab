"""An invoice whose service was wrong and is corrected: enrollment and revenue follow to the right contract."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.ledger.accrual import ContractAccrual
from steps.ledger.contract import ServiceContract
from steps.ledger.service import ServicePeriod
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import Account, Document, Enrollment, World
from steps.sandbox.server import SandboxServer
from tests.new_database import NewDatabase, on_both_databases
from tests.steps.accruals.test_step_replay import postings
from tests.steps.calls import (
    process_accruals,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import DATA_SCIENCE, FULL_STACK, cohort, contact, enrollment, invoice, month, page

pytestmark = [pytest.mark.sqlite_first, pytest.mark.slow]

FULL_STACK_ISA = Account("acc-isa", "Desarrollo web (ISA)", 70500011)
ANA = "ana@example.org"
FIRST, SECOND = (ANA, FULL_STACK.id), (ANA, FULL_STACK_ISA.id)


@pytest.fixture
def imported(database: str, sandbox: SandboxServer) -> None:
    """Ana's course on the wrong service; she is known to have dropped on 20 May."""
    sandbox.world.accounts.extend([FULL_STACK, FULL_STACK_ISA, DATA_SCIENCE])
    sandbox.world.contacts.append(contact())
    sandbox.world.invoices.append(invoice(1, date(2024, 1, 15), "600.00"))
    sandbox.world.enrollments.append(enrollment(status="DROPPED", updated=date(2024, 5, 20)))
    sync_services()
    sync_both()


def sync_both() -> tuple[dict[str, Any], dict[str, Any]]:
    """The two steps in their order."""
    return sync_invoices(month(1)), sync_service_periods(month(1))


def correct(sandbox: SandboxServer, account: Account) -> None:
    sandbox.world.invoices[0] = invoice(1, date(2024, 1, 15), "600.00", account=account)


def states() -> dict[tuple[str, str], tuple[Any, ...]]:
    """Contract -> total, accrued, remaining, status of its accrual and of itself."""
    names = ("total_to_accrue", "accrued_amount", "remaining_amount_to_accrue", "accrual_status")
    keys = dict(zip((row["id"] for row in rows(ServiceContract)), LedgerView().contracts(), strict=True))
    statuses = {row["id"]: row["status"] for row in rows(ServiceContract)}
    return {
        keys[row["contract_id"]]: (*(str(row[name]) for name in names), statuses[row["contract_id"]])
        for row in rows(ContractAccrual)
    }


def by_month(contract: tuple[str, str]) -> dict[int, Decimal]:
    return {posting[3].month: posting[4] for posting in postings() if posting[:2] == contract}


def test_the_enrollment_follows_to_the_corrected_contract_and_the_emptied_one_is_canceled_and_reported(
    imported: None, sandbox: SandboxServer
) -> None:
    before = rows(ServicePeriod)
    correct(sandbox, FULL_STACK_ISA)

    invoices, periods = sync_both()

    contracts = {row["service_id"]: row["id"] for row in rows(ServiceContract)}
    (moved,) = rows(ServicePeriod)
    assert [moved] == [{**before[0], "contract_id": contracts[2]}]
    assert (invoices["errors"], invoices["other_errors"]) == (0, 1)
    assert (periods["periods_updated"], periods["errors"], periods["other_errors"]) == (1, 0, 0)
    assert LedgerView().errors() == {("service_contract", "1")}
    assert states() == {FIRST: ("0.00", "0.00", "0.00", "COMPLETED", "CANCELED")}
    assert LedgerView().contracts()[SECOND][1:] == (Decimal("600.00"), "EUR", "ACTIVE")

    ledger = whole_ledger()
    again = sync_both()
    assert [result[name] for result in again for name in result if name.endswith("_updated")] == [0, 0, 0]
    assert whole_ledger() == ledger


def test_what_the_wrong_contract_accrued_is_taken_back_and_the_right_one_spreads_its_revenue(
    imported: None, sandbox: SandboxServer
) -> None:
    for number in (1, 2, 3):
        process_accruals(month(number))
    wrong = by_month(FIRST)
    correct(sandbox, FULL_STACK_ISA)
    sync_both()
    accrued = sum(wrong.values())
    assert states()[FIRST] == ("0.00", str(accrued), str(-accrued), "COMPLETED", "CANCELED")

    for number in (4, 5, 6):
        process_accruals(month(number))

    assert by_month(FIRST) == {**wrong, 4: -accrued}
    right = by_month(SECOND)
    assert sorted(right) == [4, 5]
    assert all(amount > 100 for amount in right.values())
    assert states() == {
        FIRST: ("0.00", "0.00", "0.00", "COMPLETED", "CANCELED"),
        SECOND: ("600.00", "600.00", "0.00", "COMPLETED", "CANCELED"),
    }


def test_an_enrollment_that_fits_no_corrected_contract_is_reported_and_comes_back_with_the_contract(
    imported: None, sandbox: SandboxServer
) -> None:
    before = LedgerView().periods()
    correct(sandbox, DATA_SCIENCE)

    sync_both()

    assert LedgerView().periods() == {}
    assert LedgerView().errors() == {("service_contract", "1"), ("enrollment", "70001")}

    correct(sandbox, FULL_STACK)
    sandbox.world.enrollments[0] = enrollment(status="DROPPED", updated=date(2024, 6, 1))
    sync_both()
    assert LedgerView().periods() == before
    assert LedgerView().errors() == {("service_contract", "2")}
    assert LedgerView().contracts()[FIRST][1:] == (Decimal("600.00"), "EUR", "ACTIVE")
    assert FIRST not in states()


def test_a_contract_with_documents_left_keeps_its_enrollment(imported: None, sandbox: SandboxServer) -> None:
    sandbox.world.invoices.append(invoice(2, date(2024, 1, 20), "100.00"))
    sync_both()
    correct(sandbox, FULL_STACK_ISA)

    sync_both()

    assert [key[:2] for key in LedgerView().periods()] == [FIRST]
    assert LedgerView().errors() == set()


def test_a_canceled_contract_without_documents_gives_no_notification_in_any_month(
    imported: None, sandbox: SandboxServer
) -> None:
    sandbox.world.pages.append(page(status="Active"))
    correct(sandbox, DATA_SCIENCE)
    sync_both()
    sync_notion_external_ids()

    noted = [note for number in range(1, 7) for note in process_accruals(month(number))["notifications"]]

    assert 1 not in {note["contract_id"] for note in noted}


COURSES = {
    FULL_STACK.id: enrollment(1, "DROPPED", cohort=cohort("madrid-fs-1"), updated=date(2024, 5, 20)),
    FULL_STACK_ISA.id: enrollment(1, cohort=cohort("madrid-fs-1")),
    DATA_SCIENCE.id: enrollment(1, "GRADUATED", cohort=cohort("madrid-ds-1"), updated=date(2024, 6, 28)),
}


def _academy(documents: Sequence[Document], course: Enrollment) -> World:
    world = World(year=2024, academies=[MADRID_SCHOOL], accounts=[FULL_STACK, FULL_STACK_ISA, DATA_SCIENCE])
    return replace(world, contacts=[contact()], invoices=list(documents), enrollments=[course])


def _import(order: Sequence[int], *, step_by_step: bool) -> None:
    if step_by_step:
        for step in (sync_invoices, sync_service_periods):
            for number in order:
                step(month(number))
        return
    for number in order:
        sync_invoices(month(number))
        sync_service_periods(month(number))


def _ledger(without: str) -> tuple[Any, ...]:
    """Everything but ids and the contract of that service; then what a half year's accruals make of it."""
    ledger = LedgerView()
    kept = {key: row for key, row in ledger.contracts().items() if key[1] != without}
    errors = {error for error in ledger.errors() if error[0] != "service_contract"}
    content = ledger.invoices(), ledger.clients(), kept, ledger.periods(), errors
    for number in range(1, 7):
        process_accruals(month(number))
    return (*content, postings())


@dataclass(frozen=True)
class Correction:
    """One course, billed on some days, on the wrong service at first."""

    days: list[date]
    services: list[Account]
    """The wrong one, and the right one."""
    orders: list[list[int]]
    """In which the months are imported, before and after the correction."""
    step_by_step: bool
    """All months of the first step and then all of the second, as in a run; else both steps month by month."""

    def academy(self, account: Account) -> World:
        """As it looks with all documents on that service."""
        documents = [invoice(at, day, "600.00", account=account) for at, day in enumerate(self.days, start=1)]
        return _academy(documents, COURSES[self.services[1].id])


CORRECTIONS = st.builds(
    Correction,
    days=st.lists(st.dates(date(2024, 1, 1), date(2024, 4, 28)), min_size=1, max_size=3),
    services=st.permutations([FULL_STACK, FULL_STACK_ISA, DATA_SCIENCE]).map(lambda three: three[:2]),
    orders=st.lists(st.permutations(range(1, 5)), min_size=2, max_size=2),
    step_by_step=st.booleans(),
)


@on_both_databases(examples=10)
def test_imported_with_the_error_and_then_corrected_is_imported_right_from_the_start(
    sandbox: SandboxServer, new_database: NewDatabase, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(correction=CORRECTIONS)
    def check(correction: Correction) -> None:
        found = []
        for first in (0, 1):
            new_database()
            for account, order in list(zip(correction.services, correction.orders, strict=True))[first:]:
                sandbox.world = correction.academy(account)
                sync_services()
                _import(order, step_by_step=correction.step_by_step)
            found.append(_ledger(without=correction.services[0].id))

        assert found[0] == found[1]

    check()
