"""The 4Geeks CRM against docs/vendors.md, 4Geeks: pages, the lists and their traps."""

from typing import Any

import httpx
import pytest

from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world

ENROLLMENTS = "/admissions/academy/cohort/user"
STUDENTS = "/auth/academy/student"


def everything(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    """All rows of a list."""
    rows: list[dict[str, Any]] = client.get(path, params={"limit": "10000", "offset": "0", **query}).json()["results"]
    return rows


def test_without_limit_and_offset_a_bare_list_is_cut_to_20_rows(
    sandbox: SandboxServer, fourgeeks: httpx.Client
) -> None:
    assert len(fourgeeks.get(ENROLLMENTS).json()) == 20
    assert len(sandbox.world.enrollments) > 20


@pytest.mark.parametrize(
    ("parameters", "wrapped"),
    [
        ({"limit": "5"}, True),
        ({"offset": "5"}, True),
        ({"limit": ""}, False),
    ],
)
def test_the_wrapper_appears_when_paging_is_asked_for(
    fourgeeks: httpx.Client, parameters: dict[str, str], wrapped: bool
) -> None:
    assert isinstance(fourgeeks.get(ENROLLMENTS, params=parameters).json(), dict) is wrapped


def test_the_wrappers_links_lead_through_the_list(fourgeeks: httpx.Client) -> None:
    first = fourgeeks.get(ENROLLMENTS, params={"limit": "30", "offset": "0", "sort": "id"}).json()
    ids, page = [row["id"] for row in first["results"]], first
    assert (first["first"], first["previous"]) == (None, None)
    assert f"offset={first['count'] - 30}" in first["last"]

    while page["next"]:
        page = fourgeeks.get(page["next"]).json()
        ids += [row["id"] for row in page["results"]]

    assert (page["next"], page["last"]) == (None, None)
    assert len(ids) == len(set(ids)) == first["count"]


@pytest.mark.parametrize(("limit", "rows"), [("0", 20), ("many", 20), ("100000", 100_000)])
def test_limits_have_no_maximum_and_nonsense_is_20(fourgeeks: httpx.Client, limit: str, rows: int) -> None:
    answer = fourgeeks.get(ENROLLMENTS, params={"limit": limit, "offset": "-3"}).json()

    assert len(answer["results"]) == min(rows, answer["count"])


def test_past_the_end_there_are_no_rows_and_the_count_is_still_right(fourgeeks: httpx.Client) -> None:
    answer = fourgeeks.get(ENROLLMENTS, params={"limit": "10", "offset": "9999"}).json()

    assert (answer["results"], answer["count"] > 20) == ([], True)


def test_slow_mode_ends_in_503_html_until_the_limit_is_small(sandbox: SandboxServer, fourgeeks: httpx.Client) -> None:
    sandbox.modes.fourgeeks_slow_above = 50

    slow = fourgeeks.get(ENROLLMENTS, params={"limit": "100"})

    assert (slow.status_code, slow.headers["content-type"].split(";")[0]) == (503, "text/html")
    assert fourgeeks.get(ENROLLMENTS, params={"limit": "50"}).status_code == 200


def test_invited_people_have_no_user_but_an_address(fourgeeks: httpx.Client) -> None:
    invited = [row for row in everything(fourgeeks, STUDENTS) if row["status"] == "INVITED"]

    assert [(row["user"], "@" in row["email"]) for row in invited] == [(None, True)]


def test_a_profile_is_null_here_and_left_out_there(fourgeeks: httpx.Client) -> None:
    assert any(row["user"] and row["user"]["profile"] is None for row in everything(fourgeeks, STUDENTS))
    enrollments = everything(fourgeeks, ENROLLMENTS)
    assert any("profile" not in row["user"] for row in enrollments)
    assert all(row["user"].get("profile", ...) is not None for row in enrollments)


def test_timestamps_have_microseconds_only_when_there_are_any(fourgeeks: httpx.Client) -> None:
    lengths = {len(row["updated_at"]) for row in everything(fourgeeks, ENROLLMENTS)}

    assert lengths == {len("2025-02-20T12:00:00Z"), len("2025-03-02T18:25:00.004512Z")}


def test_each_academy_sees_its_own_people_and_one_of_them_is_in_both(fourgeeks: httpx.Client) -> None:
    here = everything(fourgeeks, ENROLLMENTS)
    fourgeeks.headers["Academy"] = "7"
    there = everything(fourgeeks, ENROLLMENTS)

    assert len(there) == 1
    assert there[0]["id"] not in {row["id"] for row in here}
    assert there[0]["user"]["email"] in {row["user"]["email"] for row in here}


def test_large_bodies_are_compressed_for_those_who_can_read_them(
    sandbox: SandboxServer, fourgeeks: httpx.Client
) -> None:
    sandbox.world = build_world(clients=100)
    packed = fourgeeks.get(ENROLLMENTS, params={"limit": "100"})
    plain = fourgeeks.get(ENROLLMENTS, params={"limit": "100"}, headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


def test_deleted_people_are_in_the_student_list_and_staff_is_not(
    sandbox: SandboxServer, fourgeeks: httpx.Client
) -> None:
    students = everything(fourgeeks, STUDENTS)

    assert "DELETED" in {row["status"] for row in students}
    assert {row["role"]["slug"] for row in students} == {"student"}
    assert {row.role for row in sandbox.world.students} > {"student"}


def test_enrolments_are_narrowed_by_role_and_come_by_id_or_the_newest_first(fourgeeks: httpx.Client) -> None:
    by_id = everything(fourgeeks, ENROLLMENTS, roles="student", sort="id")
    newest_first = everything(fourgeeks, ENROLLMENTS)
    made = [row["created_at"] for row in newest_first]

    assert {row["role"] for row in by_id} == {"STUDENT"} < {row["role"] for row in newest_first}
    assert [row["id"] for row in by_id] == sorted(row["id"] for row in by_id)
    assert made == sorted(made, reverse=True)


def test_a_cohort_may_never_end(fourgeeks: httpx.Client) -> None:
    cohorts = {row["cohort"]["slug"]: row["cohort"] for row in everything(fourgeeks, ENROLLMENTS)}

    assert cohorts["spain-fs-forever-1"]["ending_date"] is None
    assert {"yomequedoencasa", "spain-x-pt-general"} <= set(cohorts)
