"""When what is deferred will be earned: the engine run forward over one contract, in memory."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given

from steps.engine.contract_month import AccrualRules, ContractFailureError, ContractInputs, NotionInputs
from steps.engine.sessions import ServiceInputs
from steps.ledger.months import next_month
from steps.reports.waterfall import expected_amount, known_after, project
from tests.steps.accruals.builders import RULES, accrual, contract, day, document, period
from tests.steps.accruals.ledger import Ledger, months
from tests.steps.accruals.strategies import MONTHS, contracts, patient, rules

MONDAYS = ServiceInputs(class_weekdays=frozenset({0, 2}))


def expected(inputs: ContractInputs, month: str = "2025-05") -> dict[str, str]:
    """Month -> amount, after the month `month`."""
    return {f"{at:%Y-%m}": str(amount) for at, amount in project(inputs, day(month), RULES).expected.items()}


def course(**changes: object) -> ContractInputs:
    """The worked example of docs/accrual-rules.md, The amount: 500.00, 12 May to 27 August 2025; May is done."""
    values: dict[str, object] = {
        "periods": (period("2025-05-12", "2025-08-27"),),
        "service": MONDAYS,
        "accrual": accrual("93.75", last_month="2025-05"),
    }
    return contract(document("2025-03-04", "500.00"), **{**values, **changes})  # type: ignore[arg-type]


def test_a_course_is_expected_as_the_accruals_will_post_it() -> None:
    assert expected(course()) == {"2025-06": "140.63", "2025-07": "140.62", "2025-08": "125.00"}


def test_what_was_decided_later_is_not_looked_at() -> None:
    """An old month is shown as it was: the postings after it are expected again."""
    done = course(status="CLOSED", accrual=accrual("93.75", "COMPLETED", "2025-08", posted=True))

    assert expected(done) == {"2025-06": "140.63", "2025-07": "140.62", "2025-08": "125.00"}


def test_documents_after_the_month_do_not_exist_yet() -> None:
    inputs = contract(
        document("2025-03-04", "500.00"),
        document("2025-06-02", "900.00"),
        periods=(period("2025-05-12", "2025-08-27"),),
        service=MONDAYS,
        accrual=accrual("93.75", last_month="2025-05"),
    )

    assert sum(map(Decimal, expected(inputs).values())) == Decimal("406.25")


def test_what_is_put_off_has_no_month_even_if_it_would_be_posted_when_nobody_comes_back() -> None:
    put_off = course(periods=(period("2025-05-12", "2025-08-27", "POSTPONED", "2025-06-15"),))

    assert list(expected(put_off)) == ["2025-06"]


def test_a_period_put_off_before_it_began_has_no_month() -> None:
    assert expected(course(periods=(period("2025-05-12", "2025-08-27", "POSTPONED", "2025-05-01"),))) == {}


def test_a_drop_that_is_known_is_expected_in_its_month() -> None:
    dropped = course(periods=(period("2025-05-12", "2025-08-27", "DROPPED", "2025-07-02"),))

    assert list(expected(dropped)) == ["2025-06", "2025-07"]
    assert sum(map(Decimal, expected(dropped).values())) == Decimal("406.25")


@pytest.mark.parametrize(
    "inputs",
    [
        contract(document("2025-05-20", "300.00")),
        contract(document("2025-01-20", "300.00"), notion=NotionInputs("ACTIVE", day("2025-02-01"))),
        contract(document("2025-01-20", "300.00"), periods=(period("2025-01-20", "2025-04-30"),)),
        contract(document("2025-01-20", "300.00"), status="CANCELED", periods=(period("2025-01-20", "2025-08-30"),)),
    ],
    ids=["nobody knows the new client", "Notion is unclear", "over but active", "canceled but taught"],
)
def test_what_waits_for_a_person_has_no_month(inputs: ContractInputs) -> None:
    assert expected(inputs) == {}


def test_a_client_nobody_ever_heard_of_is_a_resignation_next_month() -> None:
    assert expected(contract(document("2025-03-20", "300.00"))) == {"2025-06": "300.00"}


def test_a_notion_status_with_a_later_date_is_expected_in_its_month() -> None:
    graduates = contract(document("2025-01-20", "300.00"), notion=NotionInputs("GRADUATED", day("2025-09-10")))

    assert expected(graduates) == {"2025-09": "300.00"}


def test_what_was_credited_after_it_was_accrued_is_taken_back_next_month() -> None:
    credited = contract(
        document("2025-01-10", "300.00"),
        document("2025-05-10", "-300.00"),
        periods=(period("2025-01-10", "2025-04-30", "ENDED", "2025-04-30"),),
        accrual=accrual("300.00", "COMPLETED", "2025-04"),
    )

    assert expected(credited) == {"2025-06": "-300.00"}


def test_bad_data_is_refused() -> None:
    with pytest.raises(ContractFailureError):
        expected(course(periods=(period("2025-08-27", "2025-05-12"),)))


def test_a_course_that_ends_with_the_calendar_does_not_run_for_ever() -> None:
    endless = course(periods=(period("2025-05-12", "9999-12-31"),))

    months = expected(endless)

    assert months
    assert max(months) <= "2035-05"


def accrued_up_to(month: date, inputs: ContractInputs, known: AccrualRules) -> Ledger:
    """The ledger after the month, with no document of a later one."""
    documents = tuple(each for each in inputs.documents if each.day < next_month(month))
    ledger = Ledger(replace(inputs, documents=documents), known)
    for at in months(date(2024, 1, 1), month):
        ledger.process(at)
    return ledger


@pytest.mark.slow
@given(contracts(), MONTHS, rules)
@patient
def test_what_is_expected_is_what_the_accruals_then_post(
    inputs: ContractInputs, month: date, known: AccrualRules
) -> None:
    """With nothing new to learn, the months to come post what was expected, until a row ends somebody's wait."""
    later, ledger = next_month(month), accrued_up_to(month, inputs, known)

    told = project(ledger.facts_for(later), month, known).expected

    for at in months(later, date(2026, 12, 1)):
        outcome = ledger.process(at)
        if outcome.row not in {10, 14}:
            assert told.pop(at, Decimal(0)) == outcome.amount
        elif outcome.amount:
            break
    assert [at for at in told if at != outcome.month] == []


@pytest.mark.slow
@given(contracts(), MONTHS, rules)
@patient
def test_the_amount_of_a_contract_that_is_simply_taught_is_what_its_months_add_up_to(
    inputs: ContractInputs, month: date, known: AccrualRules
) -> None:
    ledger = accrued_up_to(month, inputs, known)
    seen = known_after(ledger.facts_for(next_month(month)), month)
    told = project(seen, month, known).expected

    assert expected_amount(seen, month, known) == sum(told.values(), Decimal(0))


def test_the_months_of_a_contract_that_is_simply_taught_are_not_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.reports.waterfall._run_forward", None)

    assert expected_amount(known_after(course(), day("2025-05")), day("2025-05"), RULES) == Decimal("406.25")


NOT_SIMPLY_TAUGHT = {
    "put off": course(periods=(period("2025-05-12", "2025-08-27", "POSTPONED", "2025-06-15"),)),
    "put off later": course(periods=(period("2025-05-12", "2025-08-27", "POSTPONED", "2025-08-15"),)),
    "for more than ten years": course(periods=(period("2025-05-12", "2045-12-31"),)),
    "canceled": course(status="CANCELED"),
    "over": course(periods=(period("2025-02-12", "2025-04-27"),)),
}


@pytest.mark.parametrize("inputs", NOT_SIMPLY_TAUGHT.values(), ids=NOT_SIMPLY_TAUGHT)
def test_of_any_other_contract_the_months_are_decided(inputs: ContractInputs) -> None:
    seen = known_after(inputs, day("2025-05"))
    told = project(seen, day("2025-05"), RULES).expected

    assert expected_amount(seen, day("2025-05"), RULES) == sum(told.values(), Decimal(0)) != Decimal("406.25")
