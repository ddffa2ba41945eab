"""Prefect's REST API, as far as the soak asks it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

PASSWORD = "soak:no-secret"  # of a server on loopback that lives for minutes
_PAGE = 200
_LOCKED_SECONDS = 30.0


@dataclass
class PrefectApi:
    """Prefect's REST API, as far as the soak asks it."""

    url: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        user, _, password = PASSWORD.partition(":")
        self.client = httpx.Client(
            base_url=self.url,
            auth=(user, password),
            timeout=10,
            verify=False,
            trust_env=False,
            # A connection that is kept is closed by the server after seconds, perhaps while it is asked again.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            return self.client.get("/health").is_success
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of its answer; it is asked again, as Prefect's own client does, while its database is locked (503).

        Raises:
            httpx.HTTPError: it does not answer, or refuses.
        """
        deadline = time.monotonic() + _LOCKED_SECONDS
        while True:
            answer = self.client.request(method, path, json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def delete_waiting(self) -> None:
        """Delete every run that has not begun and waits for its time or its turn."""
        for run in self.flow_runs(state={"type": {"any_": ["SCHEDULED"]}}):
            with suppress(httpx.HTTPStatusError):  # it has begun, or the scheduler has taken it back
                self.ask("DELETE", f"/flow_runs/{run['id']}")

    def flow_runs(self, **which: Any) -> list[dict[str, Any]]:
        """Every flow run that fits a filter, oldest first, each with its `flow_name`."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.ask(
                "POST",
                "/flow_runs/filter",
                {"flow_runs": which, "sort": "EXPECTED_START_TIME_ASC", "limit": _PAGE, "offset": len(found)},
            )
            found += page
            if len(page) < _PAGE:
                break
        names = {flow["id"]: flow["name"] for flow in self.ask("POST", "/flows/filter", {})}
        return [{**run, "flow_name": names[run["flow_id"]]} for run in found]

    def set_schedule(self, deployment: str, parameters: Mapping[str, Any] | None) -> None:
        """Let a deployment's schedule go on with these parameters from now on; None: stop it."""
        known = self.ask("GET", f"/deployments/name/{deployment}")
        (schedule,) = known["schedules"]
        change = {"active": parameters is not None, "parameters": dict(parameters or {})}
        self.ask("PATCH", f"/deployments/{known['id']}/schedules/{schedule['id']}", change)
