"""What a step hands over about the records it could not apply."""

import pytest

from steps.context import StepContext, StepReport
from steps.errors import RecordRejectedError
from steps.invoices import InvoicesResult
from tests.steps.ledger_view import whole_ledger
from tracking.database import write_session

pytestmark = pytest.mark.usefixtures("database")


def write(report: StepReport[InvoicesResult]) -> list[dict[str, object]]:
    with write_session() as session:
        report.record(session)
    return whole_ledger()["integration_error"]


def test_two_troubles_of_one_record_are_one_error_with_both_messages() -> None:
    report = StepReport(InvoicesResult(), StepContext())
    report.reject([RecordRejectedError("contact", "c1", "no name", {"id": "c1"})])
    report.reject([RecordRejectedError("contact", "c1", "no email")])

    (row,) = write(report)

    assert report.result.other_errors == 1
    assert (row["error_message"], row["error_details"]) == ("no name; no email", {"id": "c1"})


def test_records_without_an_id_are_told_apart_and_known_again() -> None:
    records = [{"total": 1}, {"total": 2}]
    report, again = StepReport(InvoicesResult(), StepContext()), StepReport(InvoicesResult(), StepContext())
    for each in (report, again):
        each.reject(RecordRejectedError("invoice", "", "id is missing", record) for record in records)

    first = write(report)

    assert [row["error_details"] for row in first] == records
    assert write(again) == first


def test_a_record_that_is_no_object_is_kept_as_it_is() -> None:
    report = StepReport(InvoicesResult(), StepContext())
    report.reject([RecordRejectedError("invoice", "", "an object was expected", ["odd"])])

    assert write(report)[0]["error_details"] == {"record": ["odd"]}


def test_secrets_do_not_reach_the_table() -> None:
    report = StepReport(InvoicesResult(), StepContext())
    report.reject([RecordRejectedError("contact", "c1", "odd", {"id": "c1", "api_key": "abc123"})])

    assert "abc123" not in str(write(report))
