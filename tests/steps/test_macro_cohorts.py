"""A student of a macro cohort is enrolled in each of its micro cohorts too: one course, and not four."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from steps.ledger.service import ServicePeriod
from steps.sandbox.records import Cohort, World
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.steps.accruals.test_step_replay import Posting, postings
from tests.steps.calls import process_accruals, sync_invoices, sync_service_periods, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import FULL_STACK, cohort, contact, enrollment, invoice, month, user
from tests.steps.year_import import YEAR, import_year

pytestmark = pytest.mark.slow

PART = replace(cohort("madrid-fs-1-part-1", date(2024, 2, 1), date(2024, 9, 30)), id=8801, is_micro=True)
MACRO = replace(cohort("madrid-fs-1"), micro_cohorts=(PART,))


@pytest.fixture
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.append(contact())
    sandbox.world.invoices.append(invoice(1, date(2024, 1, 15)))
    sync_services()
    sync_invoices(month(1))


@pytest.mark.parametrize("named", [True, False], ids=["its row names the macro", "only the macro lists it"])
def test_the_macro_row_alone_is_the_enrollment_and_its_drop_counts(
    books: None, sandbox: SandboxServer, named: bool
) -> None:
    part = enrollment(2, cohort=PART, macro_cohort=MACRO if named else None)
    sandbox.world.enrollments.extend([enrollment(1, "DROPPED", cohort=MACRO, updated=date(2024, 3, 12)), part])

    result = sync_service_periods(month(1))

    assert (result["periods_processed"], result["periods_skipped"], result["errors"]) == (1, 1, 0)
    assert {key[2]: row[1:] for key, row in LedgerView().periods().items()} == {
        "madrid-fs-1": (date(2024, 2, 1), date(2024, 6, 28), "DROPPED", date(2024, 3, 12))
    }


def test_the_micro_cohort_of_somebody_elses_macro_cohort_is_an_enrollment_like_any_other(
    books: None, sandbox: SandboxServer
) -> None:
    somebody = user(9002, "bob@example.org")
    sandbox.world.enrollments.extend([enrollment(1, cohort=MACRO, user=somebody), enrollment(2, cohort=PART)])

    result = sync_service_periods(month(1))

    assert (result["periods_processed"], result["periods_skipped"], result["errors"]) == (1, 1, 0)
    assert {key[2] for key in LedgerView().periods()} == {"madrid-fs-1-part-1"}


def test_micro_cohorts_may_come_as_objects_as_in_the_list_of_cohorts(books: None, sandbox: SandboxServer) -> None:
    listed = {"id": 880, "slug": "madrid-fs-1", "name": "A cohort", "kickoff_date": "2024-02-01T17:00:00Z"}
    listed |= {"ending_date": "2024-06-28T17:00:00Z", "micro_cohorts": [{"id": 8801, "slug": "madrid-fs-1-part-1"}]}
    sandbox.world.enrollments.extend([enrollment(1, raw={"cohort": listed}), enrollment(2, cohort=PART)])

    assert sync_service_periods(month(1))["periods_skipped"] == 1
    assert {key[2] for key in LedgerView().periods()} == {"madrid-fs-1"}


def test_the_period_of_a_micro_cohort_from_an_earlier_version_counts_no_more_and_what_it_accrued_stays(
    books: None, sandbox: SandboxServer
) -> None:
    """As an earlier version left it: both rows were taken for enrollments."""
    sandbox.world.enrollments.extend([enrollment(1, cohort=cohort("madrid-fs-1")), enrollment(2, cohort=PART)])
    sync_service_periods(month(1))
    process_accruals(month(2))
    before = postings()
    sandbox.world.enrollments[:] = [enrollment(1, cohort=MACRO), enrollment(2, cohort=PART, macro_cohort=MACRO)]

    result = sync_service_periods(month(1))
    (part,) = [row for row in rows(ServicePeriod) if row["external_id"] == PART.slug]
    told = [row["error_message"] for row in whole_ledger()["integration_error"]]
    again, ledger = sync_service_periods(month(1)), whole_ledger()
    sync_service_periods(month(1))
    process_accruals(month(3))

    assert (result["periods_created"], result["periods_updated"]) == (0, 1)
    assert (result["errors"], result["other_errors"]) == (0, 1)
    assert part["voided_at"] is not None
    assert LedgerView().errors() == {("service_period", f"{part['contract_id']}/{PART.slug}")}
    assert "accrued on it stay" in told[0]
    assert (again["periods_updated"], again["errors"], again["other_errors"]) == (0, 0, 0)
    assert whole_ledger() == ledger
    assert before < postings()
    assert {posting[2] for posting in postings() - before} == {"madrid-fs-1"}


def test_a_micro_cohort_that_is_taken_out_of_its_macro_cohort_is_an_enrollment_again(
    books: None, sandbox: SandboxServer
) -> None:
    sandbox.world.enrollments.append(enrollment(2, "DROPPED", cohort=PART, updated=date(2024, 3, 12)))
    sync_service_periods(month(1))
    before = LedgerView().periods()
    sandbox.world.enrollments[0] = replace(sandbox.world.enrollments[0], macro_cohort=MACRO)
    sync_service_periods(month(1))
    void = LedgerView().periods()
    sandbox.world.enrollments[0] = enrollment(2, "DROPPED", cohort=PART, updated=date(2024, 5, 1))

    sync_service_periods(month(1))

    assert (void, LedgerView().periods()) == ({}, before)


def _accrued_year(sandbox: SandboxServer, world: World) -> set[Posting]:
    sandbox.world = world
    import_year()
    for window in YEAR.months():
        process_accruals(window)
    return postings()


def _without_marks(world: World) -> World:
    """The same rows, and nothing that says that some are parts of others."""

    def plain(each: Cohort) -> Cohort:
        return replace(each, micro_cohorts=())

    rows = [replace(each, cohort=plain(each.cohort), macro_cohort=None) for each in world.enrollments]
    return replace(world, enrollments=rows)


def _without_parts(world: World) -> World:
    return replace(world, enrollments=[each for each in world.enrollments if not each.cohort.is_micro])


def test_a_year_of_students_in_macro_cohorts_accrues_as_if_they_had_no_micro_cohorts(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = build_world()
    accrued: list[set[Posting]] = []
    for number, each in enumerate([world, _without_parts(world), _without_marks(world)]):
        monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path / f'{number}.db'}")
        accrued.append(_accrued_year(sandbox, each))

    parts = [each for each in world.enrollments if each.cohort.is_micro]
    assert {each.macro_cohort is None for each in parts} == {True, False}
    assert accrued[0] == accrued[1]
    clients = {posting[0] for posting in accrued[0] ^ accrued[2]}
    assert len(clients) >= 10, "without the rule many clients' money goes to other months"
