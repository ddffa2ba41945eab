"""Every route has a role; who has less is refused; and every act is in the trail."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.testclient import TestClient

from flows.access import Role
from flows.api.app import ROUTERS, create_app
from flows.api.security import HEALTH, READ, Needs
from flows.cli.app import run_command
from steps.catalog import STEPS
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns
from tests.flows.api.rows import add_errors
from tracking.audit import audit_trail

TOKENS = {role: f"a-token-of-the-role-{role}-".ljust(32, "x") for role in Role}
ADJUSTMENT = {"contract_id": 17, "amount": "-25.00", "reason": "taught twice; ask ana@example.org", "by": "Ana"}


@pytest.fixture
def client(database: str) -> Iterator[TestClient]:
    """Of another machine."""
    tokens = ",".join(f"{role}r:{role}:{token}" for role, token in TOKENS.items())
    app = create_app(SyncSettings(api_tokens=SecretStr(tokens)), RecordedRuns())
    with TestClient(app, client=("192.0.2.7", 40000)) as client:
        yield client


def _as(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


def _role(route: APIRoute) -> Role | None:
    declared = [each.dependency for each in route.dependencies]
    needed = [each.role for each in declared if isinstance(each, Needs)]
    return max(needed) if needed else Role.READ if READ.dependency in declared else None


def test_every_route_says_its_role_and_what_changes_something_needs_more_than_to_read() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    roles = {(method, route.path): _role(route) for route in routes for method in route.methods or ()}

    document = create_app(SyncSettings(), RecordedRuns()).openapi()
    assert len(roles) == sum(len(item) for item in document["paths"].values())
    assert [what for what, role in roles.items() if role is None] == [("GET", HEALTH)]
    assert [what for what, role in roles.items() if what[0] != "GET" and role == Role.READ] == []


@pytest.mark.sqlite_first
@pytest.mark.parametrize(
    ("method", "path", "body", "needed"),
    [
        ("POST", "/api/sync/execute-step", {"step_name": "services"}, Role.OPERATE),
        *(("POST", step.endpoint, None, Role.OPERATE) for step in STEPS.values()),
        ("PATCH", "/api/integrations/errors/1", {"status": "resolved"}, Role.OPERATE),
        ("PATCH", "/api/integrations/errors/bulk-update", {"ids": [1], "status": "ignored"}, Role.OPERATE),
        ("POST", "/api/accruals/adjust", ADJUSTMENT, Role.CLOSE),
        ("POST", "/api/accruals/redo", {"month": "2024-03", "reason": "x"}, Role.CLOSE),
        ("POST", "/api/accruals/dismiss", {"contract_id": 17, "reason": "x"}, Role.CLOSE),
        ("POST", "/api/accruals/close", {"month": "2024-03"}, Role.CLOSE),
        ("POST", "/api/accruals/reopen", {"month": "2024-03", "reason": "x"}, Role.CLOSE),
        ("PATCH", "/api/services/1", {"total_sessions": 3, "reason": "x"}, Role.CLOSE),
    ],
)
def test_who_has_less_than_the_role_is_refused_and_who_has_it_is_not(
    client: TestClient, method: str, path: str, body: dict[str, object] | None, needed: Role
) -> None:
    add_errors(1)
    for role in Role:
        answer = client.request(method, path, json=body, headers=_as(role))

        assert (answer.status_code == 403) == (role < needed), answer.text
        if role < needed:
            assert f"a token of the role {needed}; that of {role}r is {role}" in answer.json()["detail"]


def test_every_token_may_read(client: TestClient) -> None:
    for role in Role:
        assert client.get("/api/accruals/worklist", headers=_as(role)).status_code == 200


def test_an_act_is_in_the_trail_with_who_from_where_what_and_what_came_of_it(client: TestClient) -> None:
    client.patch(
        "/api/integrations/errors/bulk-update", json={"ids": [1], "status": "ignored"}, headers=_as(Role.OPERATE)
    )
    client.post("/api/accruals/adjust?x=1", json=ADJUSTMENT, headers=_as(Role.CLOSE))
    client.post("/api/accruals/adjust", json=ADJUSTMENT, headers=_as(Role.READ))
    client.post("/api/accruals/adjust", json={"what": "?"}, headers=_as(Role.CLOSE))
    client.get("/api/accruals/worklist", headers=_as(Role.READ))

    unknown, refused, missing, done = audit_trail()
    assert (done.who, done.role, done.door, done.address) == ("operater", "operate", "api", "192.0.2.7")
    assert (done.action, done.outcome) == ("errors-mark_many", "done")
    assert (missing.who, missing.outcome) == (
        "closer",
        "refused: there is no contract 17: `sync-actions report accruals` lists them",
    )
    assert missing.asked.startswith('POST /api/accruals/adjust?x=1 {"contract_id":17,"amount":"-25.00",')
    assert "ask (an email)" in missing.asked
    assert refused.outcome == "refused: this needs a token of the role close; that of readr is read"
    assert (unknown.action, unknown.outcome.partition(":")[0]) == ("accruals-post_adjustment", "refused")


def test_the_trail_is_told_by_command_and_api_and_as_a_spreadsheet(
    client: TestClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        client.post("/api/accruals/dismiss", json={"contract_id": 17 + number, "reason": "=1"}, headers=_as(Role.CLOSE))
    client.post("/api/accruals/dismiss", headers=_as(Role.READ))
    read = _as(Role.READ)

    first = client.get("/api/audit", params={"limit": 3, "since": "2024-01-01"}, headers=read)
    second = client.get("/api/audit", params={"cursor": first.json()["next_cursor"]}, headers=read).json()
    sheet = client.get("/api/audit/export/csv", params={"who": "closer"}, headers=read)
    assert run_command(["audit", "--who", "readr", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert run_command(["audit", "--export", str(tmp_path / "audit.csv")]) == 0

    assert [act["who"] for act in (*first.json()["acts"], *second["acts"])] == ["readr", "closer", "closer", "closer"]
    assert second["next_cursor"] is None
    assert [row["address"] for row in csv.DictReader(StringIO(sheet.content.decode("utf-8-sig")))] == ["192.0.2.7"] * 3
    assert [(act["who"], act["outcome"].partition(":")[0]) for act in told] == [("readr", "refused")]
    assert len((tmp_path / "audit.csv").read_text(encoding="utf-8-sig").splitlines()) == 1 + 4
