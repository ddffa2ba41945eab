"""The 4Geeks CRM against docs/vendors.md, 4Geeks: login, token, and the bodies of its errors."""

from typing import Any

import httpx
import pytest

from steps.sandbox.server import SandboxServer

STUDENTS = "/auth/academy/student"


def test_the_same_token_is_given_until_it_expires(sandbox: SandboxServer, fourgeeks: httpx.Client) -> None:
    environment = sandbox.environment
    body = {"email": environment["FOURGEEKS_USERNAME"], "password": environment["FOURGEEKS_PASSWORD"]}
    first, again = (fourgeeks.post("/auth/login/", json=body).json() for _ in range(2))
    assert first == again
    assert first["expires_at"].endswith("Z")

    sandbox.tokens.expire()
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


@pytest.mark.parametrize(
    ("state", "status", "sentence"),
    [
        ("user_is_active", 401, "Inactive user"),
        ("email_is_validated", 403, "You need to validate your email first"),
    ],
)
def test_who_may_not_log_in_is_told_why_whatever_the_password(
    sandbox: SandboxServer, fourgeeks: httpx.Client, state: str, status: int, sentence: str
) -> None:
    environment = sandbox.environment
    setattr(sandbox.tokens, state, False)

    answer = fourgeeks.post(
        "/auth/login/",
        json={"email": environment["FOURGEEKS_USERNAME"], "password": environment["FOURGEEKS_PASSWORD"]},
    )

    assert (answer.status_code, answer.json()["detail"]) == (status, sentence)


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


def test_an_unknown_path_is_html(fourgeeks: httpx.Client) -> None:
    gone = fourgeeks.get("/admissions/cohort/880")

    assert (gone.status_code, "Not Found" in gone.text) == (404, True)
