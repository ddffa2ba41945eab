"""The books over the API: redo, adjust, dismiss, close, explain, verify and trail, as the commands of these names."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from steps.ledger.accrual import AccruedPeriod, Dismissal
from steps.ledger.contract import Invoice
from tests.steps.accruals.database_ledger import Stored, accrue, accrue_months, add_document, execute, snapshot, store
from tests.steps.accruals.reports.books import Books
from tests.steps.ledger_view import rows

REDO = {"month": "2024-02", "reason": "an invoice came late", "by": "Eva"}
ADJUST = {"contract_id": 1, "amount": "-20.00", "corrects": "2024-02", "reason": "taught twice", "by": "Eva"}


@pytest.fixture
def accrued(database: str) -> None:
    """600.00 from January to June, accrued to March."""
    store(Stored())
    accrue_months("2024-01", "2024-02", "2024-03")


def _post(api: TestClient, path: str, body: dict[str, Any], status: int = 200) -> Any:
    answer = api.post(f"/api/accruals/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_redo_is_previewed_and_done(api: TestClient, accrued: None) -> None:
    add_document(1, "2024-01-20", "600.00")
    before = snapshot()

    preview = _post(api, "redo", REDO | {"preview": True})

    assert (snapshot(), preview["redo_id"]) == (before, None)
    assert preview["months"] == ["2024-02-01", "2024-03-01"]
    (line,) = preview["contracts"]
    assert (line["old"], line["contract"]["email"]) == ("210.00", "p1@example.org")
    assert preview["totals"][0]["difference"] == line["difference"]
    done = _post(api, "redo", REDO)
    assert done["redo_id"] is not None
    assert done == preview | {"redo_id": done["redo_id"]}
    assert snapshot() != before


def test_an_adjustment_is_previewed_and_posted(api: TestClient, accrued: None) -> None:
    preview = _post(api, "adjust", ADJUST | {"preview": True})

    assert (preview["month"], preview["amount"], preview["remaining"]) == ("2024-02-01", "-20.00", "330.00")
    assert _post(api, "adjust", ADJUST) == preview
    assert [(row["made_by"], str(row["accrued_amount"])) for row in rows(AccruedPeriod)][-1] == ("Eva", "-20.00")


@pytest.mark.sqlite_first
@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("redo", {"month": "2024-02"}, "a redo needs a reason"),
        ("redo", {"month": "2031-02", "reason": "x"}, "2031-02 is not over"),
        ("redo", {"month": "2024-02", "reason": "x", "by": " "}, "by is blank"),
        ("redo", {"month": "2024-02", "reason": "x", "day": 1}, "Extra inputs are not permitted"),
        ("adjust", ADJUST | {"reason": " "}, "an adjustment needs a reason"),
        ("adjust", ADJUST | {"amount": "ten"}, "'ten' is not an amount"),
        ("adjust", ADJUST | {"contract_id": 7}, "there is no contract 7"),
        ("dismiss", {"contract_id": 1, "reason": "x"}, "nothing was accrued whole"),
    ],
)
def test_what_makes_no_sense_is_a_problem_in_one_line(
    api: TestClient, accrued: None, path: str, body: dict[str, Any], said: str
) -> None:
    before = snapshot()

    assert said in _post(api, path, body, 422)["detail"]
    assert snapshot() == before


def test_a_refused_gate_is_a_conflict_that_an_override_passes(api: TestClient, accrued: None) -> None:
    execute("UPDATE sync_execution SET status = 'failed' WHERE step_name = 'invoices' AND window_start = '2024-03-01'")

    assert "2024-03 is not accrued" in _post(api, "redo", REDO, 409)["detail"]
    assert _post(api, "redo", REDO | {"override": "as it is"})["contracts"] == []


def test_a_dismissal_ends_what_was_accrued_before_an_enrollment(api: TestClient, database: str) -> None:
    store(Stored(periods=()))
    accrue("2024-01")
    Books().period(1, "2024-01-08", "2024-06-30")
    assert [each["kind"] for each in api.get("/api/accruals/worklist").json()["items"]] == ["accrued_before_enrollment"]

    done = _post(api, "dismiss", {"contract_id": 1, "reason": "taught before", "by": "Eva"})

    assert done == {"contract_id": 1, "until": "2024-01-01"}
    assert api.get("/api/accruals/worklist").json()["items"] == []
    assert accrue("2024-02")["notifications"] == []
    assert [(row["who"], row["reason"]) for row in rows(Dismissal)] == [("Eva", "taught before")]


def test_a_month_is_closed_when_nothing_is_in_the_way_and_opened_again(api: TestClient, accrued: None) -> None:
    february = {"month": "2024-02", "by": "Eva"}
    blockers = _post(api, "close", february | {"preview": True})["blockers"]
    assert "2024-01 comes before it and is still open" in blockers
    assert "; ".join(blockers) in _post(api, "close", february, 409)["detail"]
    for month in ("2024-01", "2024-02"):
        Books().accrued(month)
    january = {"month": "2024-01", "by": "Eva", "reason": "agreed"}
    assert _post(api, "close", january | {"preview": True}) == {"month": "2024-01", "hash": None, "blockers": []}
    assert api.get("/api/accruals/closings").json() == {"closings": []}

    closed = [_post(api, "close", each)["hash"] for each in (january, february)]

    assert _post(api, "reopen", {"month": "2024-01"}, 422)["detail"].startswith("body.reason")
    assert _post(api, "reopen", january | {"reason": "a credit"}) == {"months": ["2024-01", "2024-02"]}
    trail = api.get("/api/accruals/closings").json()["closings"]
    shown = [(each["month"], each["action"], each["who"], each["reason"], each["hash"]) for each in trail]
    assert shown[:2] == [("2024-01", "closed", "Eva", "agreed", closed[0]), ("2024-02", "closed", "Eva", "", closed[1])]
    assert [each[:2] for each in shown[2:]] == [("2024-02", "reopened"), ("2024-01", "reopened")]


def test_explain_verify_and_the_trail_of_closings(api: TestClient, accrued: None) -> None:
    Books().close("2024-01")

    explained = api.get("/api/accruals/explain?contract_id=1&month=2024-01").json()
    verified = api.get("/api/accruals/verify").json()
    (event,) = api.get("/api/accruals/closings").json()["closings"]

    assert (explained["posted"], explained["rule"]["row"]) == ("80.00", 11)
    assert (verified["verified"], verified["difference"]) == (True, None)
    assert (event["month"], event["action"], event["who"]) == ("2024-01", "closed", "Eva")
    kept = api.get(f"/api/accruals/verify?expect={event['hash']}").json()["expected"]
    assert kept == {"stands": True, "how": "The hash expected is that of 2024-01, which Eva closed."}
    other = api.get(f"/api/accruals/verify?expect={'0' * 64}").json()["expected"]
    assert other["stands"] is False
    assert api.get("/api/accruals/verify?expect=no").status_code == 422
    assert api.get("/api/accruals/explain?contract_id=9&month=2024-01").status_code == 422


def test_opening_balances_are_previewed_taken_listed_and_taken_out(api: TestClient, database: str) -> None:
    Books().service()
    csv = "email,service,amount,currency\nana@example.org,70500001,400.00,EUR\n"
    asked = {"month": "2024-03", "csv": csv, "reason": "taken over", "by": "Eva"}

    preview = _post(api, "opening-balances", asked | {"preview": True})

    assert (preview["load_id"], preview["totals"], rows(Invoice)) == (None, {"EUR": "400.00"}, [])
    assert _post(api, "opening-balances", asked) == preview | {"load_id": 1}
    assert [str(row["net_amount"]) for row in rows(Invoice)] == ["400.00"]
    wrong = asked | {"csv": csv.replace("ana@example.org", "x")}
    assert "line 2: 'x' is no email address" in _post(api, "opening-balances", wrong, 422)["detail"]
    reverted = _post(api, "opening-balances/1/revert", {"reason": "the wrong file", "by": "Max"})
    assert (reverted["reverted_by"], reverted["revert_reason"]) == ("Max", "the wrong file")
    assert api.get("/api/accruals/opening-balances").json()["loads"] == [reverted]
    assert "load 7" in _post(api, "opening-balances/7/revert", {"reason": "x", "by": "Max"}, 422)["detail"]
