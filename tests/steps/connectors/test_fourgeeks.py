"""The 4Geeks CRM's lists: paging by offset, slow pages, lists that move (docs/vendors.md, 4Geeks pages)."""

import pytest

from steps.errors import VendorPayloadError, VendorRejectedError, VendorUnavailableError
from steps.settings import FourgeeksSettings
from steps.vendors.fourgeeks import FourgeeksConnector
from steps.vendors.http import HttpRules
from tests.steps.connectors.scripted_crm import LOGIN, STUDENTS, Crm, paths
from tests.steps.connectors.scripted_vendor import Reply, ScriptedVendor, Sent


def test_a_list_is_read_by_offset_to_its_count(vendor: ScriptedVendor, fourgeeks: FourgeeksConnector) -> None:
    read = fourgeeks.students()

    assert [student.profile_id for student in read.records] == [str(number) for number in range(1, 46)]
    assert [sent.query for sent in vendor.sent if sent.path == STUDENTS] == [
        {"sort": "id", "limit": "20", "offset": offset} for offset in ("0", "20", "40")
    ]
    assert vendor.sent[1].headers["academy"] == "6"


def test_enrollments_are_those_of_students_and_never_from_the_vendors_cache(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector
) -> None:
    fourgeeks.enrollments()

    assert vendor.sent[1].path == "/v1/admissions/academy/cohort/user"
    assert vendor.sent[1].query["roles"] == "STUDENT"
    assert vendor.sent[1].query["cache"] == "false"
    assert vendor.sent[1].query["sort"] == "id"


def test_a_page_that_takes_too_long_is_halved_and_goes_on_from_its_offset(
    vendor: ScriptedVendor, crm_settings: FourgeeksSettings, impatient: HttpRules, crm: Crm
) -> None:
    crm.too_slow_above = 10
    patient = crm_settings.model_copy(update={"page_size": 30})

    with FourgeeksConnector(patient, impatient) as connector:
        read = connector.students()

    asked = [(int(sent.query["limit"]), int(sent.query["offset"])) for sent in vendor.sent if sent.path == STUDENTS]
    assert asked == [(30, 0), (30, 0), (15, 0), (15, 0), (10, 0), (10, 10), (10, 20), (10, 30), (10, 40)]
    assert len(read.records) == 45


def test_a_vendor_that_stays_away_is_given_up_at_the_smallest_page(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    crm.too_slow_above = 0

    with pytest.raises(VendorUnavailableError, match="503"):
        fourgeeks.students()

    assert paths(vendor).count(STUDENTS) == 2 + 4


@pytest.mark.parametrize("answer", [[{"id": 1}], {"results": []}, {"count": "1", "results": []}, {"count": 1}, 5])
def test_anything_but_the_wrapper_is_an_error(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm, answer: object
) -> None:
    """A bare list is a list cut to 20 rows."""
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply(answer)

    with pytest.raises(VendorPayloadError, match="count"):
        fourgeeks.students()


def test_a_list_that_moved_while_it_was_read_is_read_once_more(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    """A row deleted between two pages shifts the others: one would be skipped."""
    row = crm.rows.pop(7)
    before = [*crm.rows[:7], row, *crm.rows[7:20]]

    def script(sent: Sent) -> Reply:
        first = sent.path == STUDENTS and paths(vendor).count(STUDENTS) == 1
        return Reply({"count": 45, "results": before[:20]}) if first else crm(sent)

    vendor.script = script

    assert {student.profile_id for student in fourgeeks.students().records} == {str(row["id"]) for row in crm.rows}
    assert paths(vendor).count(STUDENTS) == 6


def _losing_a_row(vendor: ScriptedVendor, crm: Crm, times: int) -> None:
    """`count` says 45 and one row less comes, so many times."""

    def script(sent: Sent) -> Reply:
        loses = paths(vendor).count(STUDENTS) <= 3 * times
        if sent.path != STUDENTS or not loses:
            return crm(sent)
        offset = int(sent.query["offset"])
        return Reply({"count": 45, "results": crm.rows[offset : min(offset + 20, 44)]})

    vendor.script = script


def test_a_list_that_loses_a_row_while_it_is_paged_is_read_again_up_to_three_times(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    _losing_a_row(vendor, crm, times=3)

    assert len(fourgeeks.students().records) == 45


def test_a_list_that_loses_a_row_each_time_is_an_error(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    _losing_a_row(vendor, crm, times=100)

    with pytest.raises(VendorPayloadError, match="44 different rows in academy 6 are not what `count` says, 4 times"):
        fourgeeks.students()


@pytest.mark.parametrize("rows", [[], [{"id": 1}]], ids=["nothing", "the same page again"])
def test_a_list_shorter_than_its_count_is_an_error(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm, rows: list[object]
) -> None:
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply({"count": 45, "results": rows})

    with pytest.raises(VendorPayloadError, match="rows in academy 6"):
        fourgeeks.students()


def test_every_academy_is_read_and_a_shared_email_stays_two_students(
    vendor: ScriptedVendor, crm_settings: FourgeeksSettings, impatient: HttpRules, crm: Crm
) -> None:
    def script(sent: Sent) -> Reply:
        if sent.path == LOGIN:
            return crm(sent)
        row = {"id": int(sent.headers["academy"]), "user": None, "email": "Ana@Example.org"}
        return Reply({"count": 1, "results": [row]})

    vendor.script = script

    with FourgeeksConnector(crm_settings.model_copy(update={"academy_id": ("6", "7", "6")}), impatient) as connector:
        read = connector.students()

    assert [(student.profile_id, student.email) for student in read.records] == [
        ("6", "ana@example.org"),
        ("7", "ana@example.org"),
    ]


def test_a_path_that_is_not_there_names_the_base_url(
    vendor: ScriptedVendor, fourgeeks: FourgeeksConnector, crm: Crm
) -> None:
    vendor.script = lambda sent: crm(sent) if sent.path == LOGIN else Reply(text="<h1>Not Found</h1>", status=404)

    with pytest.raises(VendorRejectedError, match="FOURGEEKS_BASE_URL"):
        fourgeeks.students()
