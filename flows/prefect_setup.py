"""What a Prefect server needs for this project: work pool, vendors' limits, deployments, messages. Safe to repeat.

`sync-actions prefect setup` does it on a lasting server; `sync-actions api` does it on the temporary server that it
starts, and makes what its own runs miss on a lasting one when it brings a worker along.
"""

import logging
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid4

import yaml
from prefect import Flow
from prefect.blocks.notifications import SlackWebhook
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
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from prefect.utilities.processutils import command_to_string
from prefect.workers.process import ProcessWorker
from pydantic import SecretStr

from flows.automations import follow_up, messages
from flows.plan import PROJECT_VERSION
from flows.worker import WORK_POOL
from steps.errors import UsageError
from steps.settings import FourgeeksSettings, HoldedSettings, NotionSettings
from tracking.redaction import register_secret

_POOL_DESCRIPTION = "Every deployment of sync-management runs here. To start a worker: prefect worker start --pool sync"
_MESSAGE, _TRIGGER = "message", "trigger"


class Change(StrEnum):
    """What a setup did about one thing."""

    new = "new"
    changed = "changed"
    unchanged = "there already"


@dataclass(frozen=True)
class SetUpItem:
    """One thing that a Prefect server has now, or would have."""

    name: str
    """Such as `deployment sync-import/monthly`."""
    change: Change

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.name}: {self.change}"

    @property
    def is_message(self) -> bool:
        """Whether somebody is told something by it."""
        return self.name.startswith(_MESSAGE)


@dataclass(frozen=True)
class Setup:
    """Whether a setup only looks, and by what people are told."""

    dry_run: bool = False
    """Change nothing: just say what would be new and changed."""
    block: UUID | None = None
    """A notification block; None: those that messages have already stay."""


_EARNEST = Setup()


def set_up(client: SyncPrefectClient, setup: Setup) -> list[SetUpItem]:
    """Make or update work pool, vendors' limits, and the deployments of `flows/prefect.yaml`; then who is told."""
    declared = _declared()
    items = [_make_work_pool(client, setup), *_make_limits(client, setup)]
    for each in declared["deployments"]:
        items += [_deploy(client, each, declared["pull"], setup), *_make_triggers(client, each, setup)]
    return [*items, *_make_messages(client, setup)]


def set_up_for_api(client: SyncPrefectClient, *, lasting: bool) -> None:
    """Make what the runs of the API and the page need, as far as it is missing: no schedule is begun.

    The limits of a server that stays when the API ends are for a person to set up.
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


def _make_work_pool(client: SyncPrefectClient, setup: Setup = _EARNEST, command: str | None = None) -> SetUpItem:
    """A pool of processes; one of another kind, for the same deployments, is left as it is.

    `command` is what begins a run, where all workers are on this machine. Without it a worker first starts a process
    that looks for the run's folder and environment, and that one becomes the run: some seconds more.
    """
    name = f"work pool {WORK_POOL}"
    try:
        client.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        if command is not None:
            template["variables"]["properties"]["command"]["default"] = command
        if not setup.dry_run:
            client.create_work_pool(
                WorkPoolCreate(
                    name=WORK_POOL,
                    description=_POOL_DESCRIPTION,
                    type=ProcessWorker.type,
                    base_job_template=template,
                )
            )
        return SetUpItem(name, Change.new)
    return SetUpItem(name, Change.unchanged)


def _make_limits(client: SyncPrefectClient, setup: Setup = _EARNEST) -> list[SetUpItem]:
    """Of each vendor, by its setting such as HOLDED_RATE."""
    rates: dict[str, float] = {
        "holded": HoldedSettings.load().rate,
        "fourgeeks": FourgeeksSettings.load().rate,
        "notion": NotionSettings.load().rate,
    }
    return [_make_limit(client, vendor, rate, setup) for vendor, rate in rates.items()]


def _make_limit(client: SyncPrefectClient, vendor: str, rate: float, setup: Setup) -> SetUpItem:
    """A global limit by which all runs together send a vendor `rate` requests a second.

    Each request takes a slot, and slots come free again at that rate (`slot_decay_per_second`).
    """
    name, slots = f"limit {vendor}, {rate:g} requests a second", max(1, int(rate))
    try:
        known = client.read_global_concurrency_limit_by_name(vendor)
    except ObjectNotFound:
        limit = GlobalConcurrencyLimitCreate(name=vendor, limit=slots, slot_decay_per_second=rate)
        if not setup.dry_run:
            client.create_global_concurrency_limit(limit)
        return SetUpItem(name, Change.new)
    if (known.active, known.limit, known.slot_decay_per_second) == (True, slots, rate):
        return SetUpItem(name, Change.unchanged)
    update = GlobalConcurrencyLimitUpdate(active=True, limit=slots, slot_decay_per_second=rate)
    if not setup.dry_run:
        client.update_global_concurrency_limit(vendor, update)
    return SetUpItem(name, Change.changed)


def _deploy(
    client: SyncPrefectClient,
    declared: dict[str, Any],
    pull_steps: list[dict[str, Any]],
    setup: Setup = _EARNEST,
    *,
    only_missing: bool = False,
) -> SetUpItem:
    """One deployment; what a person paused in Prefect stays paused."""
    flow: Flow[..., Any] = import_object(declared["entrypoint"])
    full_name = _full_name(declared)
    known = _find_deployment(client, full_name)
    if known is not None and only_missing:
        return SetUpItem(f"deployment {full_name}", Change.unchanged)
    wanted = _fields(declared, flow, pull_steps, known)
    if known is not None and _fields_of(known) == wanted:
        return SetUpItem(f"deployment {full_name}", Change.unchanged)
    change = Change.new if known is None else Change.changed
    if setup.dry_run:
        return SetUpItem(f"deployment {full_name}", change)
    schedules = [
        DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone=timezone), slug=slug, active=active)
        for slug, cron, timezone, active in wanted.pop("schedules")
    ]
    wanted["concurrency_options"] = ConcurrencyOptions(collision_strategy=wanted.pop("collision_strategy"))
    client.create_deployment(
        client.create_flow(flow), declared["name"], schedules=schedules, enforce_parameter_schema=True, **wanted
    )
    return SetUpItem(f"deployment {full_name}", change)


def _full_name(declared: dict[str, Any]) -> str:
    flow: Flow[..., Any] = import_object(declared["entrypoint"])
    return f"{flow.name}/{declared['name']}"


def _find_deployment(client: SyncPrefectClient, full_name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        return None


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
        "version": PROJECT_VERSION,
        "tags": declared["tags"],
        "parameters": declared.get("parameters", {}),
        "parameter_openapi_schema": _form(flow),
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


def _form(flow: Flow[..., Any]) -> dict[str, Any]:
    """The schema of a flow's parameters, each as one field, which may be left empty.

    Prefect's form of an `int | None` asks first whether it is to be an int or None. Its table of parameters shows no
    type of a choice whose definition is apart.
    """
    schema = parameter_schema(flow).model_dump_for_openapi()
    choices = {f"#/definitions/{name}": kind for name, kind in schema.pop("definitions", {}).items()}
    for name, parameter in schema["properties"].items():
        kinds = [kind for kind in parameter.pop("anyOf", []) if kind != {"type": "null"}]
        if "default" in parameter and parameter["default"] is None:
            del parameter["default"]  # the form would send it
        if len(kinds) == 1:
            schema["properties"][name] = {**kinds[0], **parameter}
        if reference := schema["properties"][name].pop("$ref", None):
            schema["properties"][name] = {**choices[reference], **schema["properties"][name]}
    return schema


def _fields_of(known: DeploymentResponse) -> dict[str, Any]:
    limit, strategy = known.global_concurrency_limit, known.concurrency_options
    crons = [(each.slug, each.schedule, each.active) for each in known.schedules]
    return {
        "entrypoint": known.entrypoint,
        "description": known.description,
        "version": known.version,
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


def _make_triggers(client: SyncPrefectClient, declared: dict[str, Any], setup: Setup) -> list[SetUpItem]:
    """What starts a deployment besides people and the clock."""
    triggers = declared.get("triggers", [])
    known = _find_deployment(client, _full_name(declared)) if triggers else None
    if known is None:  # it is only looked at what a setup would make
        return [SetUpItem(f"{_TRIGGER} {each['name']}", Change.new) for each in triggers]
    return [_make_automation(client, _TRIGGER, follow_up(each, known.id), setup) for each in triggers]


def _make_messages(client: SyncPrefectClient, setup: Setup) -> list[SetUpItem]:
    """The automations that tell somebody; none as long as no notification block was ever named.

    One that a person turned off stays off. Without a block of this setup each keeps its own, and one that is new has
    that of another.
    """
    known = {each.name: each for each in client.read_automations()}
    blocks = {each.name: _blocks_of(known.get(each.name)) for each in messages()}
    if setup.block is not None:
        blocks = {name: {setup.block} for name in blocks}
    usual = next(filter(None, blocks.values()), None)
    if usual is None:
        return []
    ui_url = str(PREFECT_UI_URL.value()).rstrip("/")
    wanted = [each.automation(sorted(blocks[each.name] or usual), ui_url) for each in messages()]
    # The UI shows what is newest first: what happens most often is made last.
    return [_make_automation(client, _MESSAGE, each, setup) for each in reversed(wanted)][::-1]


def _blocks_of(known: Automation | None) -> set[UUID]:
    return {each.block_document_id for each in known.actions if isinstance(each, SendNotification)} if known else set()


def _make_automation(client: SyncPrefectClient, kind: str, wanted: AutomationCore, setup: Setup) -> SetUpItem:
    name = f"{kind} {wanted.name}"
    found = client.read_automations_by_name(wanted.name)
    if not found:
        if not setup.dry_run:
            client.create_automation(wanted)
        return SetUpItem(name, Change.new)
    known = found[0]
    wanted.enabled = known.enabled
    fields = wanted.model_dump(exclude={"owner_resource"})  # whose it is is not answered, and cannot be changed
    if known.model_dump(exclude={"id", "owner_resource"}) == fields:
        return SetUpItem(name, Change.unchanged)
    if not setup.dry_run:
        client.update_automation(known.id, AutomationCore(**fields))
    return SetUpItem(name, Change.changed)


NOTIFY_BLOCK = "sync-management"
"""Name of the block that `--notify-url` makes. Prefect has none for any address: its Slack block passes all that are no
Slack webhook on to Apprise as they are."""


def find_block(client: SyncPrefectClient, slug: str) -> UUID:
    """The notification block of a slug such as `slack-webhook/accounting`.

    Raises:
        UsageError: the server has no such block, or it is of a kind that sends nothing; the line says which there are.
    """
    there = [
        f"{block.block_type.slug}/{block.name}"
        for block in client.read_block_documents(include_secrets=False, limit=200)
        if block.block_type and block.block_schema and "notify" in block.block_schema.capabilities
    ]
    if slug not in there:
        others = f"there are {', '.join(there)}" if there else "there are none; make one in its UI, or use --notify-url"
        raise UsageError(f"--notify {slug!r} is no notification block of the Prefect server: {others}")
    kind, _, name = slug.partition("/")
    return client.read_block_document_by_name(name, kind, include_secrets=False).id


def make_block(client: SyncPrefectClient, addresses: str, *, dry_run: bool) -> tuple[UUID, SetUpItem]:
    """The block of Apprise addresses, which are a secret: nothing shows one. A dry run invents the id of a new block.

    Raises:
        UsageError: one of them is none that Apprise knows.
    """
    url = ", ".join(_parse_addresses(addresses))
    slug = SlackWebhook.get_block_type_slug()
    name = f"block {slug}/{NOTIFY_BLOCK}"
    try:
        known = client.read_block_document_by_name(NOTIFY_BLOCK, slug)
    except ObjectNotFound:
        known = None
    if known is not None and known.data.get("url") == url:
        return known.id, SetUpItem(name, Change.unchanged)
    change = Change.new if known is None else Change.changed
    if dry_run:
        return known.id if known else uuid4(), SetUpItem(name, change)
    saved: Any = SlackWebhook(url=SecretStr(url)).save(NOTIFY_BLOCK, overwrite=True)
    return saved, SetUpItem(name, change)


def _parse_addresses(text: str) -> list[str]:
    from apprise import Apprise
    from apprise.utils.parse import parse_urls

    register_secret(text)
    urls: list[str] = parse_urls(text)  # type: ignore[no-untyped-call]
    for url in urls:
        register_secret(url)
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would show the address that it cannot read
    wrong = [number for number, url in enumerate(urls, start=1) if Apprise.instantiate(url) is None]
    if wrong or not urls:
        which = f"address {', '.join(map(str, wrong))} of {len(urls)}" if urls else "what was given"
        raise UsageError(
            f"--notify-url: {which} is none that Apprise knows, such as mailto://USER:PASSWORD@HOST or "
            "slack://TOKEN (https://appriseit.com/services)"
        )
    return urls
