"""Each reason that keeps a month open, alone; and the month that has none of them closes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlmodel import col

from steps.closing import Blocker, BlockerKind, Candidate, ClosingRefusedError, Signature, close_month, find_blockers
from steps.ledger.accrual import ContractAccrual
from tests.steps.accruals.builders import day
from tests.steps.accruals.recorded_imports import executed
from tests.steps.accruals.reports.books import LATER, SETTINGS, Books
from tracking.database import read_session, write_session
from tracking.models import IntegrationError

LAST_DAY = date(2024, 3, 31)


def march() -> Books:
    """A March that can be closed: accrued, and nothing before it."""
    books = Books()
    ana = books.contract("Ana", begun="2024-03-01")
    books.document(ana, "2024-03-10", "300.00")
    books.post(ana, "2024-03", "100.00")
    for step in ("invoices", "crm-clients", "accruals"):
        books.executed(step, "2024-03")
    return books


def earlier_document(books: Books) -> None:
    books.document(None, "2024-02-10", "1.00")


def earlier_posting(books: Books) -> None:
    bob = books.contract("Bob")
    books.post(bob, "2024-02", "1.00")


def failed_import(books: Books) -> None:
    books.executed("invoices", "2024-03", "failed")


def running_import(books: Books) -> None:
    books.executed("service-periods", "2024-03", "running")


def planned_import(books: Books) -> None:
    books.executed("crm-clients", "2024-03", "pending")


def pending_error(books: Books) -> None:
    books.error(books.executed("invoices", "2024-03"))


def state_that_does_not_add_up(_: Books) -> None:
    with write_session() as session:
        session.execute(update(ContractAccrual).values(remaining_amount_to_accrue=Decimal("199.99")))


def state_that_is_not_its_postings(_: Books) -> None:
    with write_session() as session:
        session.execute(
            update(ContractAccrual).values(
                accrued_amount=Decimal("100.01"), remaining_amount_to_accrue=Decimal("199.99")
            )
        )


def contract_that_was_never_processed(books: Books) -> None:
    books.document(books.contract("Bob", begun="2024-03-31"), "2024-03-31", "8.00")


@dataclass(frozen=True)
class Case:
    """What is done to a March that could be closed, and what is said then."""

    spoil: Callable[[Books], None]
    kind: BlockerKind
    said: str


CASES = {
    "an earlier document": Case(
        earlier_document, BlockerKind.EARLIER_OPEN, "2024-02 comes before it and is still open"
    ),
    "an earlier posting": Case(earlier_posting, BlockerKind.EARLIER_OPEN, "2024-02 comes before it"),
    "a failed import": Case(failed_import, BlockerKind.EXECUTION, "of invoices is failed"),
    "a running import": Case(running_import, BlockerKind.EXECUTION, "of service-periods is running"),
    "a planned import": Case(planned_import, BlockerKind.EXECUTION, "of crm-clients is pending"),
    "a pending error": Case(pending_error, BlockerKind.PENDING_ERRORS, "contact c-1: it has no email"),
    "a wrong state": Case(
        state_that_does_not_add_up,
        BlockerKind.CONTRACT_TOTALS,
        "contract 1 does not tie out: accrued 100.00 + remaining 199.99 against a total of 300.00",
    ),
    "a state without its postings": Case(
        state_that_is_not_its_postings, BlockerKind.CONTRACT_TOTALS, "and postings of 100.00"
    ),
    "a contract left out": Case(
        contract_that_was_never_processed,
        BlockerKind.CONTRACT_TOTALS,
        "contract 2 does not tie out: 8.00 in documents, and the accruals never processed it",
    ),
}


def blockers(month: str = "2024-03", today: date = LATER) -> list[tuple[BlockerKind, str]]:
    with read_session() as session:
        found = find_blockers(session, Candidate(day(month), today, SETTINGS))
    for each in found:
        (subject,) = (f"{value:%Y-%m}" if isinstance(value, date) else str(value) for value in _subjects(each))
        assert subject in each.message or each.kind is BlockerKind.ROLL_FORWARD
    return [(blocker.kind, blocker.message) for blocker in found]


def _subjects(blocker: Blocker) -> list[object]:
    """What it is about besides its message: one thing."""
    about = (blocker.month, blocker.contract_id, blocker.error_id, blocker.execution_id)
    return [each for each in about if each is not None]


def test_a_month_with_nothing_in_the_way_closes(database: str) -> None:
    march()

    assert blockers() == []
    close_month(Candidate(day("2024-03"), date(2024, 4, 1), SETTINGS), Signature("Eva"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_month_is_kept_open_by(database: str, case: Case) -> None:
    case.spoil(march())

    ((kind, said),) = blockers()

    assert kind is case.kind
    assert case.said in said


def test_a_month_that_is_not_over_stays_open(database: str) -> None:
    march()

    assert blockers(today=LAST_DAY) == [(BlockerKind.NOT_OVER, "2024-03 is not over: its last day is 2024-03-31")]


def test_a_month_that_was_never_accrued_stays_open(database: str) -> None:
    books = Books()
    books.document(None, "2024-03-10", "1.00")
    books.executed("accruals", "2024-04")

    assert blockers() == [(BlockerKind.NOT_ACCRUED, "the accruals of 2024-03 were never completed")]


def test_a_month_that_is_closed_is_not_closed_again(database: str) -> None:
    march().close("2024-03")

    assert blockers() == [(BlockerKind.ALREADY_CLOSED, "2024-03 is closed already")]
    assert (BlockerKind.ALREADY_CLOSED, "2024-02 was closed with 2024-03") in blockers("2024-02")


def test_what_was_mended_or_is_of_another_month_is_not_in_the_way(database: str) -> None:
    books = march()
    books.executed("invoices", "2024-03", "failed")
    books.executed("invoices", "2024-03")
    books.executed("invoices", "2024-04", "failed")
    done = books.executed("service-periods", "2024-03")
    books.error(done, "resolved")
    books.error(done, "ignored")
    books.error(books.executed("service-periods", "2024-04"))

    assert blockers() == []


def accrual_error(
    contract: int, first_month: str, status: str = "pending", why: str = "period cohort-1 ends before it starts"
) -> None:
    """A contract that the accruals could not process, from a month on; no run of another month met it since."""
    with write_session() as session:
        error = IntegrationError(
            integration_name="accruals",
            operation="accruals",
            entity_type="service_contract",
            entity_external_id=str(contract),
            error_message=why,
            error_details={"first_month": first_month},
            status=status,
        )
        session.add(error)


@pytest.mark.parametrize("first_month", ["2024-02-01", "2024-03-01"])
def test_a_pending_accrual_error_of_this_or_an_earlier_month_keeps_it_open(database: str, first_month: str) -> None:
    march()
    accrual_error(1, first_month)

    assert blockers() == [
        (
            BlockerKind.PENDING_ERRORS,
            "integration error 1 is pending: accruals, service_contract 1: period cohort-1 ends before it starts",
        )
    ]


def test_a_record_that_its_message_names_is_named_once(database: str) -> None:
    march()
    accrual_error(1, "2024-03-01", why="service_contract 1 has no service")

    said = "integration error 1 is pending: accruals, service_contract 1 has no service"
    assert blockers() == [(BlockerKind.PENDING_ERRORS, said)]


def test_an_accrual_error_of_a_later_month_or_one_that_was_resolved_is_not_in_the_way(database: str) -> None:
    march()
    accrual_error(1, "2024-04-01")
    accrual_error(1, "2024-02-01", "resolved")

    assert blockers() == []


def test_a_contract_that_failed_in_the_last_run_keeps_the_month_open_whatever_became_of_its_error(
    database: str,
) -> None:
    march()
    accrual_error(1, "2024-03-01", "ignored")
    failure = {"contract_id": 1, "reason": "period cohort-1 ends before it starts"}
    run = executed("accruals", result={"failures": [failure]})

    assert blockers() == [
        (
            BlockerKind.CONTRACT_FAILURE,
            f"contract 1 was not accrued: period cohort-1 ends before it starts (execution {run})",
        )
    ]

    executed("accruals", result={"failures": []})
    assert blockers() == []


def test_earlier_months_that_are_closed_are_not_in_the_way(database: str) -> None:
    books = march()
    books.document(None, "2024-02-10", "1.00")
    books.close("2024-02")

    assert blockers() == []


def test_a_refusal_lists_everything_at_once(database: str) -> None:
    books = march()
    for spoil in (earlier_document, failed_import, pending_error, state_that_does_not_add_up):
        spoil(books)
    books.executed("invoices", "2024-03", "failed")

    with pytest.raises(ClosingRefusedError) as refusal:
        close_month(Candidate(day("2024-03"), LAST_DAY, SETTINGS), Signature("Eva"))

    assert [blocker.kind for blocker in refusal.value.blockers] == [
        BlockerKind.NOT_OVER,
        BlockerKind.EARLIER_OPEN,
        BlockerKind.EXECUTION,
        BlockerKind.PENDING_ERRORS,
        BlockerKind.CONTRACT_TOTALS,
    ]


def test_a_roll_forward_that_does_not_tie_out_keeps_the_month_open(database: str) -> None:
    books = march()
    books.document(None, "2024-02-10", "1.00")
    books.close("2024-02")
    bob = books.contract("Bob")
    books.post(bob, "2024-02", "5.00")  # into the closed month

    kinds = [kind for kind, _ in blockers()]
    said = dict(blockers())

    assert kinds == [BlockerKind.ROLL_FORWARD, BlockerKind.CHANGED]
    assert said[BlockerKind.ROLL_FORWARD] == "the roll-forward does not tie out: 5.00 EUR between opening and closing"


def test_the_state_of_a_contract_in_another_month_is_looked_at_too(database: str) -> None:
    books = march()
    bob = books.contract("Bob", begun="2024-05-01")
    books.document(bob, "2024-05-10", "10.00")
    books.post(bob, "2024-05", "10.00")
    with write_session() as session:
        wrong = update(ContractAccrual).where(col(ContractAccrual.contract_id) == bob)
        session.execute(wrong.values(total_to_accrue=Decimal("11.00")))

    assert [kind for kind, _ in blockers()] == [BlockerKind.CONTRACT_TOTALS]
