"""Faults on request: real at the socket, counted, and only where they were asked for."""

import json
from datetime import date
from itertools import pairwise

import httpx
import pytest

from steps.sandbox.faults import Fault, FaultKind
from steps.sandbox.records import midnight
from steps.sandbox.server import SandboxServer

SEATS = "/admissions/academy/cohort/user"


@pytest.mark.parametrize("kind", ["400", "401", "402", "403", "404", "409", "429", "500", "503", "504", "529"])
def test_a_number_is_that_status_at_every_vendor(
    sandbox: SandboxServer,
    holded: httpx.Client,
    fourgeeks: httpx.Client,
    notion: httpx.Client,
    query: str,
    kind: FaultKind,
) -> None:
    for vendor in ("holded", "fourgeeks", "notion"):
        sandbox.faults.add(Fault(vendor, kind))

    answers = [holded.get("/contacts"), fourgeeks.get(SEATS), notion.post(query, json={})]

    assert [answer.status_code for answer in answers] == [int(kind)] * 3
    assert holded.get("/contacts").status_code == 200


def test_a_wait_is_told_or_left_out(
    sandbox: SandboxServer, holded: httpx.Client, notion: httpx.Client, query: str
) -> None:
    sandbox.faults.add(Fault("holded", "429", retry_after=7))
    sandbox.faults.add(Fault("holded", "429-no-retry-after"))
    sandbox.faults.add(Fault("notion", "429", retry_after=49))
    sandbox.faults.add(Fault("notion", "529", retry_after=5))

    assert [holded.get("/contacts").headers.get("retry-after") for _ in range(2)] == ["7", None]
    limited, overloaded = (notion.post(query, json={}) for _ in range(2))
    assert limited.json()["additional_data"]["retry_after"] == limited.headers["retry-after"] == "49"
    assert (overloaded.json()["code"], overloaded.headers["retry-after"]) == ("service_overload", "5")


def test_a_dropped_connection_gives_no_answer_and_is_logged(sandbox: SandboxServer, holded: httpx.Client) -> None:
    sandbox.faults.add(Fault("holded", "drop-connection"))

    with pytest.raises(httpx.TransportError):
        holded.get("/contacts")

    assert [request.status for request in sandbox.requests] == [0]
    assert holded.get("/contacts").status_code == 200


def test_a_truncated_body_ends_before_its_length(sandbox: SandboxServer, fourgeeks: httpx.Client) -> None:
    sandbox.faults.add(Fault("fourgeeks", "truncated"))

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        fourgeeks.get(SEATS)


@pytest.mark.parametrize("kind", ["502-html", "html-200", "not-json"])
def test_some_answers_are_no_json(sandbox: SandboxServer, holded: httpx.Client, kind: FaultKind) -> None:
    sandbox.faults.add(Fault("holded", kind))

    answer = holded.get("/contacts")

    assert answer.status_code == (502 if kind == "502-html" else 200)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_soft_failure_is_an_object_where_a_list_was_expected(sandbox: SandboxServer, holded: httpx.Client) -> None:
    sandbox.faults.add(Fault("holded", "soft-failure"))

    assert holded.get("/contacts").json()["status"] == 0


def test_empty_is_the_vendors_own_empty_list(
    sandbox: SandboxServer, holded: httpx.Client, fourgeeks: httpx.Client, notion: httpx.Client, query: str
) -> None:
    sandbox.faults.add(Fault("holded", "empty"))
    sandbox.faults.add(Fault("fourgeeks", "empty"))
    sandbox.faults.add(Fault("notion", "empty"))

    assert holded.get("/contacts").json() == []
    assert fourgeeks.get(SEATS).json()["count"] == 0
    assert notion.post(query, json={}).json()["results"] == []


def test_a_page_is_repeated(
    sandbox: SandboxServer, holded: httpx.Client, fourgeeks: httpx.Client, notion: httpx.Client, query: str
) -> None:
    sandbox.modes.holded_page_size = 50
    cursor = notion.post(query, json={"page_size": 10}).json()["next_cursor"]
    sandbox.faults.add(Fault("holded", "repeat-page"))
    sandbox.faults.add(Fault("fourgeeks", "repeat-page"))
    sandbox.faults.add(Fault("notion", "repeat-page"))

    pages = [
        [holded.get("/contacts", params={"page": 2}).json() for _ in range(2)],
        [fourgeeks.get(SEATS, params={"limit": 9, "offset": 9}).json()["results"] for _ in range(2)],
        [notion.post(query, json={"page_size": 10, "start_cursor": cursor}).json()["results"] for _ in range(2)],
    ]

    assert all(repeated[0]["id"] != true[0]["id"] for repeated, true in pages)


def test_a_cursor_expires_and_a_query_ends_early(sandbox: SandboxServer, notion: httpx.Client, query: str) -> None:
    sandbox.faults.add(Fault("notion", "expired-cursor"))
    sandbox.faults.add(Fault("notion", "incomplete"))

    expired, incomplete = (notion.post(query, json={"page_size": 5}) for _ in range(2))

    assert (expired.status_code, expired.json()["code"]) == (400, "validation_error")
    assert incomplete.json()["request_status"]["type"] == "incomplete"
    assert incomplete.json()["has_more"] is False


def test_only_the_request_that_covers_march_fails(sandbox: SandboxServer, holded: httpx.Client) -> None:
    march, april = (midnight(date(2024, month, 1)) for month in (3, 4))
    sandbox.faults.add(
        Fault("holded", "503", "/documents/", None, lambda call: call.query.get("starttmp") == str(march))
    )

    def ask(start: int, end: int) -> int:
        return holded.get("/documents/invoice", params={"starttmp": start, "endtmp": end - 1}).status_code

    assert [ask(march, april), ask(april, april + 1), ask(march, april)] == [503, 200, 503]
    sandbox.faults.clear()
    assert ask(march, april) == 200


def test_faults_of_one_place_come_in_the_order_they_were_added(sandbox: SandboxServer, holded: httpx.Client) -> None:
    sandbox.faults.add(Fault("holded", "500", times=2))
    sandbox.faults.add(Fault("holded", "429", "/contacts"))

    assert [holded.get("/contacts").status_code for _ in range(4)] == [500, 500, 429, 200]


def test_a_slow_answer_is_the_true_one(sandbox: SandboxServer, holded: httpx.Client) -> None:
    sandbox.faults.add(Fault("holded", "slow", seconds=0.3))

    with pytest.raises(httpx.ReadTimeout):
        holded.get("/contacts", timeout=0.05)
    sandbox.faults.add(Fault("holded", "slow", seconds=0.01))
    assert holded.get("/contacts").status_code == 200


def test_a_vendor_over_its_rate_answers_429_with_a_wait(sandbox: SandboxServer, holded: httpx.Client) -> None:
    sandbox.modes.rates["holded"] = 3

    answers = [holded.get("/saleschannels") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"


def test_every_request_is_logged_with_its_query_and_without_a_password(
    sandbox: SandboxServer, fourgeeks: httpx.Client, holded: httpx.Client
) -> None:
    fourgeeks.get(SEATS, params={"limit": "5"})
    holded.get("/contacts", headers={"key": "wrong"})

    log = sandbox.requests
    assert [(r.vendor, r.method, r.path, r.query, r.status) for r in log] == [
        ("fourgeeks", "POST", "/auth/login/", {}, 200),
        ("fourgeeks", "GET", SEATS, {"limit": "5"}, 200),
        ("holded", "GET", "/contacts", {}, 401),
    ]
    assert sandbox.environment["FOURGEEKS_PASSWORD"] not in repr(log)
    assert all(earlier.at <= later.at for earlier, later in pairwise(log))
