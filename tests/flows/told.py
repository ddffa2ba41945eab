"""Our events, as a Prefect server has them."""

from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from flows.prefect_server import logs_delivered
from tests.flows.guide import await_answer

Told = tuple[str, str, list[str], dict[str, Any]]
"""Name, resource, the related resources that are ours, payload."""


def told_since(client: SyncPrefectClient, since: datetime, last: str) -> list[Told]:
    """Our events since then, oldest first, once one of this name is among them."""
    with logs_delivered():
        pass
    occurred = {"since": since.isoformat(), "until": datetime.now(UTC).isoformat()}
    wanted = {"filter": {"event": {"prefix": ["sync."]}, "occurred": occurred, "order": "ASC"}, "limit": 50}

    def read() -> list[Told]:
        found = client.request("POST", "/events/filter", json=wanted).json()["events"]
        return list(map(_about, found)) if last in {each["event"] for each in found} else []

    return await_answer(read, last)


def _about(event: dict[str, Any]) -> Told:
    related = [each["prefect.resource.id"] for each in event["related"]]
    resource = event["resource"]["prefect.resource.id"]
    return event["event"], resource, [each for each in related if each.startswith("sync.")], event["payload"]
