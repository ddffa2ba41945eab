"""The 4Geeks CRM against vendors/fourgeeks.md: login, errors, pages, the lists and their traps."""

from typing import Any

import httpx
import pytest

from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world

SEATS = "/admissions/academy/cohort/user"
STUDENTS = "/auth/academy/student"
MEMBERS = "/auth/academy/member"


def everything(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    """All rows of a list."""
    rows: list[dict[str, Any]] = client.get(path, params={"limit": "10000", "offset": "0", **query}).json()["results"]
    return rows


def test_the_same_token_is_given_until_it_expires(sandbox: SandboxServer, fourgeeks: httpx.Client) -> None:
    environment = sandbox.environment
    body = {"email": environment["FOURGEEKS_USERNAME"], "password": environment["FOURGEEKS_PASSWORD"]}
    first, again = (fourgeeks.post("/auth/login/", json=body).json() for _ in range(2))
    assert first == again
    assert first["expires_at"].endswith("Z")

    sandbox.expire_tokens()
    refused = fourgeeks.get(STUDENTS)
    fresh = fourgeeks.post("/auth/login/", json=body).json()

    assert refused.status_code == 401
    assert refused.json()["error"].startswith("Token expired at ")
    assert fresh["token"] != first["token"]
    assert fourgeeks.get(STUDENTS, headers={"Authorization": f"Token {fresh['token']}"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"email": "importer@example.org", "password": "wrong"},
            {"non_field_errors": ["Unable to log in with provided credentials."], "status_code": 400},
        ),
        (
            {"email": "importer"},
            {
                "email": ["Enter a valid email address."],
                "password": ["This field is required."],
                "status_code": 400,
            },
        ),
    ],
    ids=["wrong password", "no address"],
)
def test_a_bad_login_says_what_is_wrong(fourgeeks: httpx.Client, body: Any, expected: Any) -> None:
    answer = fourgeeks.post("/auth/login/", json=body)

    assert (answer.status_code, answer.json()) == (400, expected)


def test_a_login_without_the_slash_is_a_redirect_that_ends_in_405(fourgeeks: httpx.Client) -> None:
    redirect = fourgeeks.post("/auth/login", json={})
    followed = fourgeeks.post("/auth/login", json={}, follow_redirects=True)

    assert redirect.status_code == 301
    assert followed.status_code == 405


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"Authorization": ""}, 401, {"detail": "Authentication credentials were not provided.", "status_code": 401}),
        (
            {"Authorization": "Token 0"},
            401,
            {"error": "Invalid or Inactive Token", "is_authenticated": "False", "status_code": 401},
        ),
        (
            {"Academy": ""},
            403,
            {
                "detail": "Missing academy_id parameter expected for the endpoint url or 'Academy' header",
                "status_code": 403,
            },
        ),
        ({"Academy": "abc"}, 400, {"detail": "Academy ID needs to be an integer: abc", "status_code": 400}),
        (
            {"Academy": "99"},
            403,
            {"detail": "You (user: 7) don't have this capability: read_student for academy 99", "status_code": 403},
        ),
    ],
    ids=["no header", "unknown token", "no academy", "bad academy", "foreign academy"],
)
def test_refusals_have_the_bodies_of_the_sheet(
    fourgeeks: httpx.Client, headers: dict[str, str], status: int, body: Any
) -> None:
    answer = fourgeeks.get(STUDENTS, headers=headers)

    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        (f"{MEMBERS}/nobody@example.org", 404, "Profile not found for this user and academy"),
        (f"{STUDENTS}/1", 404, "Profile not found"),
        ("/admissions/academy/cohort/99999", 404, "Cohort 99999 not found"),
        ("/admissions/academy/cohort/880/user/1", 404, "Cohort user not found"),
    ],
)
def test_what_is_not_there_says_so(fourgeeks: httpx.Client, path: str, status: int, detail: str) -> None:
    answer = fourgeeks.get(path)

    assert (answer.status_code, answer.json()) == (status, {"detail": detail, "status_code": status})


def test_unknown_paths_and_crashes_are_html(fourgeeks: httpx.Client) -> None:
    gone = fourgeeks.get("/admissions/cohort/880")
    crash = fourgeeks.get(STUDENTS, params={"sort": "shoe_size"})

    assert (gone.status_code, "Not Found" in gone.text) == (404, True)
    assert (crash.status_code, "Server Error (500)" in crash.text) == (500, True)
    assert fourgeeks.get(SEATS, params={"sort": "shoe_size"}).status_code == 400


def test_without_limit_and_offset_a_bare_list_is_cut_to_20_rows(
    sandbox: SandboxServer, fourgeeks: httpx.Client
) -> None:
    assert len(fourgeeks.get(SEATS).json()) == 20
    assert len(sandbox.world.enrollments) > 20


@pytest.mark.parametrize(
    ("parameters", "wrapped"),
    [
        ({"limit": "5"}, True),
        ({"offset": "5"}, True),
        ({"envelope": "true"}, True),
        ({"limit": "5", "offset": "0", "envelope": "false"}, False),
        ({"limit": ""}, False),
    ],
)
def test_the_wrapper_appears_when_paging_is_asked_for(
    fourgeeks: httpx.Client, parameters: dict[str, str], wrapped: bool
) -> None:
    assert isinstance(fourgeeks.get(SEATS, params=parameters).json(), dict) is wrapped


def test_the_wrappers_links_lead_through_the_list(fourgeeks: httpx.Client) -> None:
    first = fourgeeks.get(SEATS, params={"limit": "30", "offset": "0", "sort": "id"}).json()
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
    answer = fourgeeks.get(SEATS, params={"limit": limit, "offset": "-3"}).json()

    assert len(answer["results"]) == min(rows, answer["count"])


def test_past_the_end_there_are_no_rows_and_the_count_is_still_right(fourgeeks: httpx.Client) -> None:
    answer = fourgeeks.get(SEATS, params={"limit": "10", "offset": "9999"}).json()

    assert (answer["results"], answer["count"] > 20) == ([], True)


def test_only_fresh_answers_carry_the_count_in_their_headers(fourgeeks: httpx.Client) -> None:
    first, cached = (fourgeeks.get(SEATS, params={"limit": "10"}) for _ in range(2))
    uncached = fourgeeks.get(SEATS, params={"limit": "10", "cache": "false"})

    assert "X-Total-Count" in first.headers
    assert "X-Total-Count" not in cached.headers
    assert "X-Total-Count" in uncached.headers


def test_slow_mode_ends_in_503_html_until_the_limit_is_small(sandbox: SandboxServer, fourgeeks: httpx.Client) -> None:
    sandbox.modes.fourgeeks_slow_above = 50

    slow = fourgeeks.get(SEATS, params={"limit": "100"})

    assert (slow.status_code, slow.headers["content-type"].split(";")[0]) == (503, "text/html")
    assert fourgeeks.get(SEATS, params={"limit": "50"}).status_code == 200


def test_deleted_people_are_in_the_student_list_and_not_among_the_members(fourgeeks: httpx.Client) -> None:
    students = everything(fourgeeks, STUDENTS)
    members = everything(fourgeeks, MEMBERS)
    asked = everything(fourgeeks, MEMBERS, include="student deleted")

    assert "DELETED" in {row["status"] for row in students}
    assert {row["role"]["slug"] for row in students} == {"student"}
    assert "student" not in {row["role"]["slug"] for row in members}
    assert "coach_6" in {row["role"]["slug"] for row in members}
    assert len(asked) == len(students) + len(members)


def test_the_detail_by_email_is_exact_to_the_letter_case(fourgeeks: httpx.Client) -> None:
    loud = next(row for row in everything(fourgeeks, STUDENTS) if row["user"] and row["user"]["email"].isupper())
    email = loud["user"]["email"]

    assert fourgeeks.get(f"{MEMBERS}/{email}").json()["id"] == loud["id"]
    assert fourgeeks.get(f"{MEMBERS}/{email.lower()}").status_code == 404
    assert fourgeeks.get(f"{STUDENTS}/{loud['user']['id']}").json()["invite_url"].startswith("http")


def test_like_takes_the_last_word_only(fourgeeks: httpx.Client) -> None:
    rows = everything(fourgeeks, STUDENTS, like="nobody at all GARCÍA")

    assert rows
    assert all("garcía" in row["last_name"].lower() for row in rows)


def test_invited_people_have_no_user_but_an_address(fourgeeks: httpx.Client) -> None:
    invited = everything(fourgeeks, STUDENTS, status="invited")

    assert [(row["user"], "@" in row["email"]) for row in invited] == [(None, True)]


def test_a_profile_is_null_here_and_left_out_there(fourgeeks: httpx.Client) -> None:
    assert any(row["user"] and row["user"]["profile"] is None for row in everything(fourgeeks, STUDENTS))
    seats = everything(fourgeeks, SEATS)
    assert any("profile" not in row["user"] for row in seats)
    assert all(row["user"].get("profile", ...) is not None for row in seats)


def test_enrolments_are_narrowed_by_users_roles_cohorts_and_status(
    sandbox: SandboxServer, fourgeeks: httpx.Client
) -> None:
    seat = sandbox.world.enrollments[0]

    assert {row["user"]["id"] for row in everything(fourgeeks, SEATS, users=f"{seat.user.id},9002")} == {9001, 9002}
    assert {row["role"] for row in everything(fourgeeks, SEATS, roles="student")} == {"STUDENT"}
    slugs = {row["cohort"]["slug"] for row in everything(fourgeeks, SEATS, cohorts=str(seat.cohort.slug))}
    assert slugs == {seat.cohort.slug}
    statuses = {row["educational_status"] for row in everything(fourgeeks, SEATS, educational_status="active,dropped")}
    assert statuses == {"ACTIVE", "DROPPED"}
    assert fourgeeks.get(SEATS, params={"users": "lucia"}).status_code == 400


def test_the_list_under_a_cohort_ignores_the_cohort(fourgeeks: httpx.Client) -> None:
    trap = fourgeeks.get("/admissions/academy/cohort/880/user", params={"limit": "1"}).json()

    assert trap["count"] == len(everything(fourgeeks, SEATS))


def test_timestamps_have_microseconds_only_when_there_are_any(fourgeeks: httpx.Client) -> None:
    lengths = {len(row["updated_at"]) for row in everything(fourgeeks, SEATS)}

    assert lengths == {len("2025-02-20T12:00:00Z"), len("2025-03-02T18:25:00.004512Z")}


def test_each_academy_sees_its_own_people_and_one_of_them_is_in_both(fourgeeks: httpx.Client) -> None:
    here = everything(fourgeeks, SEATS)
    fourgeeks.headers["Academy"] = "7"
    there = everything(fourgeeks, SEATS)

    assert len(there) == 1
    assert there[0]["id"] not in {row["id"] for row in here}
    assert there[0]["user"]["email"] in {row["user"]["email"] for row in here}


def test_cohorts_are_found_by_id_and_by_slug_and_may_never_end(fourgeeks: httpx.Client) -> None:
    cohorts = {row["slug"]: row for row in everything(fourgeeks, "/admissions/academy/cohort", sort="id")}
    endless = cohorts["spain-fs-forever-1"]

    assert (endless["ending_date"], endless["never_ends"]) == (None, True)
    assert fourgeeks.get("/admissions/academy/cohort/spain-fs-forever-1").json() == endless
    assert fourgeeks.get(f"/admissions/academy/cohort/{endless['id']}").json() == endless
    assert {"yomequedoencasa", "spain-x-pt-general"} <= set(cohorts)


def test_large_bodies_are_compressed_for_those_who_can_read_them(
    sandbox: SandboxServer, fourgeeks: httpx.Client
) -> None:
    sandbox.world = build_world(clients=100)
    packed = fourgeeks.get(SEATS, params={"limit": "100"})
    plain = fourgeeks.get(SEATS, params={"limit": "100"}, headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
