"""What services teach, over the API."""

import pytest
from starlette.testclient import TestClient

from steps.ledger.service import Service, ServiceChange
from tests.steps.ledger_view import rows
from tracking.database import write_session


@pytest.fixture(autouse=True)
def course(database: str) -> None:
    with write_session() as session:
        session.add(Service(external_id="acc-fs", name="Full Stack"))


def test_a_service_is_changed_with_a_trail_and_a_preview_changes_nothing(api: TestClient) -> None:
    asked = {"class_weekdays": [2, 0], "total_sessions": 48, "by": "Ana", "reason": "the timetable"}
    after = {"class_weekdays": [0, 2], "total_sessions": 48}

    previewed = api.patch("/api/services/1", json=asked | {"preview": True}).json()
    assert (previewed["preview"], previewed["changed"][0]["after"]) == (True, after)
    assert rows(ServiceChange) == []
    assert api.patch("/api/services/1", json=asked).json()["changed"][0]["after"] == after
    assert api.patch("/api/services/1", json=asked).json() == {"preview": False, "changed": []}

    (service,) = api.get("/api/services").json()
    assert (service["class_weekdays"], service["total_sessions"], service["sessions_per_week"]) == ([0, 2], 48, 3)
    (change,) = service["changes"]
    assert (change["who"], change["reason"], change["before"]["total_sessions"]) == ("Ana", "the timetable", 60)
    api.patch("/api/services/1", json={"class_weekdays": None, "reason": "not known any more"})
    assert rows(Service)[0]["class_weekdays"] is None


@pytest.mark.sqlite_first
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"total_sessions": 40}, "needs a reason"),
        ({"total_sessions": None, "reason": "x"}, "total_sessions None: a number from 1 to 10000"),
        ({"class_weekdays": [7], "reason": "x"}, "different days from 0"),
        ({"class_weekdays": [], "reason": "x"}, "different days from 0"),
        ({"total_sessions": 40, "reason": "x", "by": " "}, "by is blank"),
        ({"hours": 3, "reason": "x"}, "hours"),
    ],
)
def test_what_cannot_be_is_a_problem(api: TestClient, asked: dict[str, object], said: str) -> None:
    answer = api.patch("/api/services/1", json=asked)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert rows(Service)[0]["total_sessions"] == 60


def test_a_service_that_is_not_there_is_a_problem(api: TestClient) -> None:
    answer = api.patch("/api/services/9", json={"total_sessions": 40, "reason": "x"})

    assert (answer.status_code, "9 is not one service" in answer.json()["detail"]) == (422, True)
