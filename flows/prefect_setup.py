"""What a Prefect server needs to work for this project: work pool, vendors' limits, deployments. Safe to repeat.

`sync-actions prefect setup` does it on a lasting server; `sync-actions api` does it on the temporary server that it
starts, and makes what its own runs miss on a lasting one when it brings a worker along.
"""

import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
)
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from prefect.utilities.processutils import command_to_string
from prefect.workers.process import ProcessWorker

from flows.worker import WORK_POOL
from steps.settings import FourgeeksSettings, HoldedSettings, NotionSettings


class Change(StrEnum):
    """What a setup did about one thing."""

    new = "new"
    changed = "changed"
    unchanged = "there already"


@dataclass(frozen=True)
class SetUpItem:
    """One thing that a Prefect server has now."""

    name: str
    """Such as `deployment sync-import/monthly`."""
    change: Change

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.name}: {self.change}"


def set_up(client: SyncPrefectClient) -> list[SetUpItem]:
    """Make or update the work pool, the vendors' limits and the deployments of `flows/prefect.yaml`."""
    declared = _declared()
    return [
        _make_work_pool(client),
        *_make_limits(client),
        *(_deploy(client, each, declared["pull"]) for each in declared["deployments"]),
    ]


def set_up_for_api(client: SyncPrefectClient, *, lasting: bool) -> None:
    """Make what the runs of the API and the page need, as far as it is missing: no schedule is begun.

    Args:
        client: Of the server.
        lasting: Whether the server stays when the API ends: its limits are for a person to set up.
    """
    declared = _declared()
    if lasting:
        _make_work_pool(client)
    else:
        _make_work_pool(client, command=command_to_string([sys.executable, "-m", "prefect.engine"]))
        _make_limits(client)
    for each in declared["deployments"]:
        if "schedules" not in each:
            _deploy(client, each, declared["pull"], only_missing=True)


def _declared() -> dict[str, Any]:
    declared: dict[str, Any] = yaml.safe_load(files("flows").joinpath("prefect.yaml").read_text(encoding="utf-8"))
    return declared


def _make_work_pool(client: SyncPrefectClient, command: str | None = None) -> SetUpItem:
    """A pool of processes; one of another kind, for the same deployments, is left as it is.

    Args:
        client: Of the server.
        command: What begins a run, where all workers are on this machine. Without it a worker first starts a process
            that looks for the run's folder and environment, and that one becomes the run: some seconds more.
    """
    name = f"work pool {WORK_POOL}"
    try:
        client.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        if command is not None:
            template["variables"]["properties"]["command"]["default"] = command
        client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type=ProcessWorker.type, base_job_template=template))
        return SetUpItem(name, Change.new)
    return SetUpItem(name, Change.unchanged)


def _make_limits(client: SyncPrefectClient) -> list[SetUpItem]:
    """Of each vendor, by its setting such as HOLDED_RATE."""
    rates: dict[str, float] = {
        "holded": HoldedSettings.load().rate,
        "fourgeeks": FourgeeksSettings.load().rate,
        "notion": NotionSettings.load().rate,
    }
    return [_make_limit(client, vendor, rate) for vendor, rate in rates.items()]


def _make_limit(client: SyncPrefectClient, vendor: str, rate: float) -> SetUpItem:
    """A global limit by which all runs together send a vendor `rate` requests a second.

    Each request takes a slot, and slots come free again at that rate (`slot_decay_per_second`).
    """
    name, slots = f"limit {vendor}, {rate:g} requests a second", max(1, int(rate))
    try:
        known = client.read_global_concurrency_limit_by_name(vendor)
    except ObjectNotFound:
        limit = GlobalConcurrencyLimitCreate(name=vendor, limit=slots, slot_decay_per_second=rate)
        client.create_global_concurrency_limit(limit)
        return SetUpItem(name, Change.new)
    if (known.active, known.limit, known.slot_decay_per_second) == (True, slots, rate):
        return SetUpItem(name, Change.unchanged)
    update = GlobalConcurrencyLimitUpdate(active=True, limit=slots, slot_decay_per_second=rate)
    client.update_global_concurrency_limit(vendor, update)
    return SetUpItem(name, Change.changed)


def _deploy(
    client: SyncPrefectClient,
    declared: dict[str, Any],
    pull_steps: list[dict[str, Any]],
    *,
    only_missing: bool = False,
) -> SetUpItem:
    """One deployment; what a person paused in Prefect stays paused."""
    flow: Flow[..., Any] = import_object(declared["entrypoint"])
    full_name = f"{flow.name}/{declared['name']}"
    try:
        known = client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        known = None
    if known is not None and only_missing:
        return SetUpItem(f"deployment {full_name}", Change.unchanged)
    wanted = _fields(declared, flow, pull_steps, known)
    if known is not None and _fields_of(known) == wanted:
        return SetUpItem(f"deployment {full_name}", Change.unchanged)
    schedules = [
        DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone=timezone), slug=slug, active=active)
        for slug, cron, timezone, active in wanted.pop("schedules")
    ]
    wanted["concurrency_options"] = ConcurrencyOptions(collision_strategy=wanted.pop("collision_strategy"))
    client.create_deployment(
        client.create_flow(flow), declared["name"], schedules=schedules, enforce_parameter_schema=True, **wanted
    )
    return SetUpItem(f"deployment {full_name}", Change.new if known is None else Change.changed)


def _fields(
    declared: dict[str, Any],
    flow: Flow[..., Any],
    pull_steps: list[dict[str, Any]],
    known: DeploymentResponse | None,
) -> dict[str, Any]:
    """What a deployment is to be, so that it can be compared with `_fields_of` one that is there."""
    active = {each.slug: each.active for each in known.schedules} if known else {}
    return {
        "entrypoint": declared["entrypoint"],
        "description": declared["description"],
        "tags": declared["tags"],
        "parameters": declared.get("parameters", {}),
        "parameter_openapi_schema": parameter_schema(flow).model_dump_for_openapi(),
        "pull_steps": pull_steps,
        "work_pool_name": declared["work_pool"]["name"],
        "job_variables": declared["work_pool"]["job_variables"],
        "concurrency_limit": declared["concurrency_limit"]["limit"],
        "collision_strategy": declared["concurrency_limit"]["collision_strategy"],
        "schedules": [
            (each["slug"], each["cron"], each["timezone"], active.get(each["slug"], each["active"]))
            for each in declared.get("schedules", [])
        ],
    }


def _fields_of(known: DeploymentResponse) -> dict[str, Any]:
    limit, strategy = known.global_concurrency_limit, known.concurrency_options
    crons = [(each.slug, each.schedule, each.active) for each in known.schedules]
    return {
        "entrypoint": known.entrypoint,
        "description": known.description,
        "tags": known.tags,
        "parameters": known.parameters,
        "parameter_openapi_schema": known.parameter_openapi_schema,
        "pull_steps": known.pull_steps,
        "work_pool_name": known.work_pool_name,
        "job_variables": known.job_variables,
        "concurrency_limit": limit.limit if limit else None,
        "collision_strategy": strategy.collision_strategy.value if strategy else None,
        "schedules": [
            (slug, cron.cron, cron.timezone, active) for slug, cron, active in crons if isinstance(cron, CronSchedule)
        ],
    }
