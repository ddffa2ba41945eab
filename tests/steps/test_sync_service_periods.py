"""Enrollments become periods of the contract they fit, with the status and its date."""

from datetime import date
from typing import Any

import pytest

from steps.errors import SuspiciousEmptyError
from steps.ledger.service import ServicePeriod
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_crm_clients, sync_invoices, sync_service_periods, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import DATA_SCIENCE, FULL_STACK, cohort, contact, enrollment, invoice, month, student, user
from tracking.models import IntegrationError

ANA_FS = ("ana@example.org", FULL_STACK.id)


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.extend([FULL_STACK, DATA_SCIENCE])
    sandbox.world.contacts.append(contact())
    sandbox.world.invoices.append(invoice(1, date(2024, 1, 15)))
    sync_services()
    sync_invoices(month(1))


def periods() -> dict[tuple[str, str, str], tuple[Any, ...]]:
    return LedgerView().periods()


def test_an_enrollment_becomes_a_period_of_the_contract_of_its_type(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment())

    result = sync_service_periods(month(1))

    assert result == {
        "periods_processed": 1,
        "periods_created": 1,
        "periods_updated": 0,
        "periods_skipped": 0,
        "errors": 0,
        "other_errors": 0,
    }
    assert periods() == {
        (*ANA_FS, "madrid-fs-1"): ("A cohort", date(2024, 2, 1), date(2024, 6, 28), "ACTIVE", date(2024, 1, 20))
    }


def test_a_second_run_writes_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.extend([enrollment(), enrollment(2, "ON_HOLD", cohort=cohort("madrid-ds-1"))])
    sync_service_periods(month(1))
    before = whole_ledger()

    result = sync_service_periods(month(1))

    assert (result["periods_created"], result["periods_updated"]) == (0, 0)
    assert whole_ledger() == before


def test_an_enrollment_of_a_linked_user_is_found_whatever_its_email(sandbox: SandboxServer) -> None:
    sandbox.world.students.append(student(user()))
    sync_crm_clients(month(1))
    sandbox.world.enrollments.append(enrollment(user=user(9001, "elsewhere@example.org")))

    assert sync_service_periods(month(1))["periods_created"] == 1


def test_enrollments_of_people_who_are_no_clients_are_not_looked_at(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment(user=user(9002, "nobody@example.org")))

    assert sync_service_periods(month(1))["periods_processed"] == 0


@pytest.mark.parametrize(
    "no_course",
    [
        cohort(None),
        cohort("madrid-fs-1", ending=None),
        cohort("yomequedoencasa"),
        cohort("spain-fs-pt-general"),
    ],
    ids=["without slug", "without end", "ignored by name", "ignored by pattern"],
)
def test_what_is_no_course_is_skipped(sandbox: SandboxServer, no_course: Any) -> None:
    sandbox.world.enrollments.append(enrollment(cohort=no_course))

    result = sync_service_periods(month(1))

    assert (result["periods_processed"], result["periods_skipped"], result["errors"]) == (0, 1, 0)
    assert periods() == {}


def test_days_are_read_in_the_academys_zone_and_prework_comes_before(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_TIMEZONE", "Pacific/Auckland")
    monkeypatch.setenv("SYNC_PREWORK_DAYS", "FS=14,DS=7")
    sandbox.world.enrollments.append(enrollment())

    sync_service_periods(month(1))

    (period,) = periods().values()
    assert period[1:3] == (date(2024, 1, 19), date(2024, 6, 29))


def test_an_enrollment_goes_to_the_contract_nearest_to_its_kickoff_and_then_keeps_it(sandbox: SandboxServer) -> None:
    second = type(FULL_STACK)("acc-fs2", "Full Stack 2", 70500009)
    sandbox.world.accounts.append(second)
    sandbox.world.invoices.append(invoice(2, date(2024, 4, 1), account=second))
    sandbox.world.enrollments.append(enrollment())
    sync_services()
    sync_service_periods(month(1))

    sync_invoices(month(4))
    sandbox.world.enrollments.extend(
        [enrollment(2, cohort=cohort("madrid-fs-2", date(2024, 3, 10))), enrollment(3, cohort=cohort("madrid-fs-3"))]
    )
    sandbox.world.enrollments[0] = enrollment(cohort=cohort("madrid-fs-1", date(2024, 4, 1)))
    sync_service_periods(month(4))

    assert {key[1:] for key in periods()} == {
        ("acc-fs", "madrid-fs-1"),
        ("acc-fs2", "madrid-fs-2"),
        ("acc-fs", "madrid-fs-3"),
    }


def test_of_two_contracts_as_near_the_earlier_is_taken(sandbox: SandboxServer) -> None:
    second = type(FULL_STACK)("acc-fs2", "Full Stack 2", 70500009)
    sandbox.world.accounts.append(second)
    sandbox.world.invoices.append(invoice(2, date(2024, 1, 25), account=second))
    sandbox.world.enrollments.append(enrollment(cohort=cohort(kickoff=date(2024, 1, 20))))
    sync_services()
    sync_invoices(month(1))

    sync_service_periods(month(1))

    assert [key[1] for key in periods()] == ["acc-fs"]


def test_an_enrollment_that_fits_no_contract_is_reported(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment(cohort=cohort("madrid-data-science-1")))

    assert sync_service_periods(month(1))["errors"] == 1
    assert LedgerView().errors() == {("enrollment", "70001")}
    details = rows(IntegrationError)[0]["error_details"]
    assert (details["record"]["id"], details["record"]["cohort_slug"]) == ("70001", "madrid-data-science-1")

    sandbox.world.invoices.append(invoice(2, date(2024, 1, 20), account=DATA_SCIENCE))
    sync_invoices(month(1))
    assert sync_service_periods(month(1))["errors"] == 0
    assert LedgerView().errors("resolved") == {("enrollment", "70001")}


def test_an_enrollment_of_a_client_without_any_contract_is_reported(sandbox: SandboxServer) -> None:
    sandbox.world.contacts.append(contact("bob"))
    sandbox.world.invoices.append(invoice(2, date(2024, 1, 20), account=None, contact_id="c-bob"))
    sandbox.world.enrollments.append(enrollment(user=user(9002, "bob@example.org")))
    sync_invoices(month(1))

    sync_service_periods(month(1))

    (error,) = whole_ledger()["integration_error"]
    assert "has no contract" in error["error_message"]


@pytest.mark.parametrize("status", [None, "ON_HOLD"])
def test_an_unknown_status_is_reported_and_taken_as_active(sandbox: SandboxServer, status: str | None) -> None:
    sandbox.world.enrollments.append(enrollment(status=status))

    assert sync_service_periods(month(1))["errors"] == 1
    assert [row[3] for row in periods().values()] == ["ACTIVE"]


def test_the_date_of_a_status_is_that_of_the_save_in_which_it_was_first_seen(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment())
    sync_service_periods(month(1))

    sandbox.world.enrollments[0] = enrollment(status="DROPPED", updated=date(2024, 3, 12))
    assert sync_service_periods(month(1))["periods_updated"] == 1
    sandbox.world.enrollments[0] = enrollment(status="SUSPENDED", updated=date(2024, 5, 1))
    assert sync_service_periods(month(1))["periods_updated"] == 0

    assert [row[3:] for row in periods().values()] == [("DROPPED", date(2024, 3, 12))]


def test_an_enrollment_that_ended_before_it_was_first_seen_ended_with_its_cohort(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment(status="GRADUATED", updated=date(2024, 9, 9)))

    sync_service_periods(month(1))

    assert [row[3:] for row in periods().values()] == [("ENDED", date(2024, 6, 28))]


def test_an_enrollment_that_was_seen_before_it_ended_ended_when_that_was_saved(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment())
    sync_service_periods(month(1))

    sandbox.world.enrollments[0] = enrollment(status="GRADUATED", updated=date(2024, 9, 9))
    sync_service_periods(month(1))

    assert [row[3:] for row in periods().values()] == [("ENDED", date(2024, 9, 9))]


def test_two_users_of_one_client_in_one_cohort_make_one_period_and_an_error(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment(1))
    sandbox.world.enrollments.append(enrollment(2, "DROPPED", user=user(9002), updated=date(2024, 4, 1)))

    sync_service_periods(month(1))

    assert [row[3] for row in periods().values()] == ["DROPPED"]
    assert LedgerView().errors() == {("enrollment", "1")}


def test_an_enrollment_that_is_gone_keeps_its_period_and_is_reported_until_it_is_back(sandbox: SandboxServer) -> None:
    sandbox.world.enrollments.append(enrollment())
    sync_service_periods(month(1))
    (period,) = rows(ServicePeriod)
    key = ("service_period", f"{period['contract_id']}/madrid-fs-1")

    gone = sandbox.world.enrollments.pop()
    assert sync_service_periods(month(1))["other_errors"] == 1
    assert (rows(ServicePeriod), LedgerView().errors()) == ([period], {key})

    sandbox.world.enrollments.append(gone)
    assert sync_service_periods(month(1))["errors"] == 0
    assert LedgerView().errors("resolved") == {key}


def test_a_loss_of_most_periods_is_refused(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.world.enrollments.extend(enrollment(n, cohort=cohort(f"madrid-fs-{n}")) for n in range(1, 11))
    sync_service_periods(month(1))
    del sandbox.world.enrollments[4:]

    with pytest.raises(SuspiciousEmptyError, match="6 of 10"):
        sync_service_periods(month(1))

    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    assert sync_service_periods(month(1))["other_errors"] == 6
