"""`sync-actions doctor`: looks at everything that may be wrong around the program, and says what to do about it.

Each look is a function that answers findings, or raises one of our own errors, whose line says what is wrong. All go on
at once, each in a thread, and none holds the others up. Nothing is changed, and no secret is shown.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from importlib.resources import files
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import yaml
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from flows.prefect_server import prefect_api, quiet_prefect
from flows.worker import WORK_POOL, worker_is_online
from steps.errors import ConfigError, SyncError
from steps.settings import FourgeeksSettings, HoldedSettings, NotionSettings, SyncSettings
from steps.vendors.fourgeeks import FourgeeksConnector, open_fourgeeks
from steps.vendors.holded import HoldedConnector, open_holded
from steps.vendors.http import HttpRules, Limits, RetryPolicy
from steps.vendors.notion import NotionConnector, open_notion
from tracking.database import (
    configured_database_url,
    describe_database,
    get_engine,
    make_engine,
    schema_revision,
    schema_revisions,
)
from tracking.redaction import redact_message
from tracking.settings import (
    ENV_FILE,
    PREFECTS,
    DatabaseSettings,
    DatabaseUnusableError,
    describe_settings_file,
    export_settings_file,
    settings_file,
    variables_of,
)

if TYPE_CHECKING:  # Prefect takes seconds to import
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

LONGEST_SECONDS = 30.0
"""For all looks together."""
_REQUEST_SECONDS = 10.0
_ONCE = HttpRules(RetryPolicy(attempts=1), Limits(connect=5.0, read=_REQUEST_SECONDS, whole=_REQUEST_SECONDS))
_LEAST_DISK_BYTES = 2**30
_MOST_CLOCK_SECONDS = 30
_OLDEST_POSTGRESQL = 14
_SETTINGS = (DatabaseSettings, SyncSettings, HoldedSettings, FourgeeksSettings, NotionSettings)
_OURS = ("SYNC_", "HOLDED_", "FOURGEEKS_", "NOTION_")
_API_URL = "PREFECT_API_URL"
_SET_UP = "run `sync-actions prefect setup`"


class Verdict(StrEnum):
    """Of one finding."""

    ok = "ok"
    problem = "problem"
    not_checked = "not checked"


@dataclass(frozen=True)
class Finding:
    """One line of what was found."""

    subject: str
    verdict: Verdict
    words: str
    """What is there; of a problem also what to do."""


_NOTHING_SET = Finding("variables", Verdict.ok, "none is set: everything is as .env.example says by default")
Look = Callable[[], list[Finding]]


def examine() -> list[Finding]:
    """Everything, in the order of `LOOKS`; what did not come in time is not checked."""
    first = _settings_file()
    deadline = monotonic() + LONGEST_SECONDS
    found: dict[str, list[Finding]] = {}
    threads = []

    def look_at(subject: str) -> None:
        found[subject] = _guarded(subject, LOOKS[subject])

    for subject in LOOKS:
        # A thread starts without Prefect's settings of this one.
        thread = Thread(target=copy_context().run, args=(look_at, subject), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    late = f"no answer within {LONGEST_SECONDS:g} s"
    return _each_once(
        first
        + [each for subject in LOOKS for each in found.get(subject, [Finding(subject, Verdict.not_checked, late)])]
    )


def _each_once(findings: list[Finding]) -> list[Finding]:
    """A setting that cannot be read is in the way of much, and is one problem."""
    told: dict[str, str] = {}
    for each in findings:
        if each.verdict is Verdict.problem:
            told.setdefault(each.words, each.subject)
    return [
        each
        if told.get(each.words, each.subject) == each.subject
        else replace(each, verdict=Verdict.not_checked, words=f"see {told[each.words]}")
        for each in findings
    ]


def _guarded(subject: str, look: Look) -> list[Finding]:
    try:
        return look()
    except (SyncError, DatabaseUnusableError) as error:
        return [Finding(subject, Verdict.problem, str(error).partition(". It was looked for")[0])]
    except SQLAlchemyError as error:
        lines = str(getattr(error, "orig", error)).splitlines() or [type(error).__name__]
        return [Finding(subject, Verdict.problem, redact_message(f"the database does not answer: {lines[0]}"))]
    except Exception as error:  # noqa: BLE001 - whatever one look meets, the others are told
        return [Finding(subject, Verdict.problem, redact_message(f"{type(error).__name__}: {error}"))]


def _settings_file() -> list[Finding]:
    """Which file is read; one that cannot be is left aside, so that the others look at the environment alone."""
    try:
        export_settings_file()
        return [Finding("settings", Verdict.ok, describe_settings_file())]
    except DatabaseUnusableError as error:
        os.environ.pop(ENV_FILE, None)
        return [Finding("settings", Verdict.problem, str(error))]


def _variables() -> list[Finding]:
    """All that are set, by where they come from; or those that are wrong."""
    known = {f"{s.model_config.get('env_prefix', '')}{name}".upper() for s in _SETTINGS for name in s.model_fields}
    in_file = {name.upper(): value for name, value in variables_of(settings_file()).items()}
    in_environment = {name.upper(): value for name, value in os.environ.items() if value and name != ENV_FILE}
    unknown = sorted(name for name in in_file | in_environment if name.startswith(_OURS) and name not in known)
    wrong = [_unknown(name, known) for name in unknown] + _read_by_prefect_alone()
    for kind in _SETTINGS[1:]:
        try:
            kind.load()
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        return [Finding("variables", Verdict.problem, each) for each in wrong]
    from_file = {name for name, value in in_file.items() if in_environment.get(name, value) == value}
    others = {name for name in in_environment if name not in from_file and name.startswith((*_OURS, _API_URL))}
    overriding = sorted(others & in_file.keys())
    ours = {name for name in from_file if name.startswith((*_OURS, PREFECTS))}
    told = [_named("of the settings file", ours), _named("of the environment", others)]
    if overriding:
        told.append(f"the environment wins over the settings file: {', '.join(overriding)}")
    return [Finding("variables", Verdict.ok, each) for each in filter(None, told)] or [_NOTHING_SET]


def _named(where: str, names: Collection[str]) -> str:
    return f"{len(names)} {where}: {', '.join(sorted(names))}" if names else ""


def _read_by_prefect_alone() -> list[str]:
    """Prefect reads the `.env` of the current folder whatever `SYNC_ENV_FILE` says, and so may be of another place."""
    other = Path.cwd() / ".env"
    if other == settings_file() or not other.is_file():
        return []
    names = sorted(n for n in variables_of(other) if n.startswith(PREFECTS) and n not in os.environ)
    words = f"Prefect reads {', '.join(names)} in {other}, which is not the settings file: set it there too, or start"
    return [f"{words} commands in another folder"] if names else []


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    meant = f"was {near[0]} meant?" if near else "see .env.example"
    return f"{name} is no variable of this program, and nothing reads it: {meant}"


def _database() -> list[Finding]:
    url, name = configured_database_url(), describe_database()
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        folder = next(parent for parent in Path(url.database or "").absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK):
            return [Finding("database", Verdict.problem, f"{name} cannot be made: {folder} cannot be written to")]
        return [Finding("database", Verdict.ok, f"{name} is made at the first use")]
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            revision = schema_revision(connection)
            (version, *_) = connection.dialect.server_version_info or (0,)
    finally:
        engine.dispose()
    if url.get_backend_name() == "postgresql" and int(version) < _OLDEST_POSTGRESQL:
        words = f"{name} is PostgreSQL {version}: {_OLDEST_POSTGRESQL} or later is needed"
        return [Finding("database", Verdict.problem, words)]
    if revision is None:
        return [Finding("database", Verdict.ok, f"{name} is empty: its tables are made at the first use")]
    if revision != (head := schema_revisions()[-1]):
        words = f"{name} is at schema {revision}, and this version works with {head}: run `sync-actions db upgrade`"
        return [Finding("database", Verdict.problem, f"{words}, or install the version that made it")]
    get_engine()  # looks whether it is encrypted with the present key
    return [Finding("database", Verdict.ok, f"{name}, schema {revision}")]


def _vendor(
    subject: str, connect: Callable[[HttpRules], HoldedConnector | FourgeeksConnector | NotionConnector]
) -> list[Finding]:
    if SyncSettings.load().backend_url:
        return [Finding(subject, Verdict.not_checked, "SYNC_BACKEND_URL is set: that backend asks it")]
    with connect(_ONCE) as connector:
        connector.check()
    return [Finding(subject, Verdict.ok, "answers, and takes the credential")]


def _prefect() -> list[Finding]:
    """The server, and what it must have: without one that lasts there is nothing to look at."""
    quiet_prefect()
    from prefect.client.orchestration import get_client
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    subjects = ("server", "worker", "deployments", "schedules")
    if not PREFECT_API_URL.value():
        why = "PREFECT_API_URL is not set: commands boot a server of their own; schedules need one that lasts (README)"
        others = (Finding(each, Verdict.not_checked, "there is no lasting server") for each in subjects[1:])
        return [Finding("server", Verdict.not_checked, why), *others]
    found: list[Finding] = []
    try:
        with (
            temporary_settings({PREFECT_API_REQUEST_TIMEOUT: _REQUEST_SECONDS, PREFECT_CLIENT_MAX_RETRIES: 0}),
            prefect_api(),
            get_client(sync_client=True) as client,
        ):
            found.append(_server(client, str(PREFECT_API_URL.value())))
            for subject, look in zip(subjects[1:], (_worker, _deployments, _schedules), strict=True):
                found += _guarded(subject, partial(look, client))
    except SyncError as error:
        found.append(Finding("server", Verdict.problem, str(error)))
        found += [Finding(each, Verdict.not_checked, "the server does not answer") for each in subjects[1:]]
    return found


def _server(client: "SyncPrefectClient", url: str) -> Finding:
    from prefect import __version__

    theirs = str(client.request("GET", "/admin/version").json())
    if theirs.split(".")[:2] != __version__.split(".")[:2]:
        words = f"{url} is Prefect {theirs}, and here is {__version__}: install the same on both"
        return Finding("server", Verdict.problem, words)
    return Finding("server", Verdict.ok, f"Prefect {theirs} at {url} ({_source_of_url()})")


def _source_of_url() -> str:
    if variables_of(settings_file()).get(_API_URL) == os.environ.get(_API_URL):
        return "the settings file says so"
    return "the environment says so" if os.environ.get(_API_URL) else "a profile of Prefect says so"


def _worker(client: "SyncPrefectClient") -> list[Finding]:
    if worker_is_online(client):
        return [Finding("worker", Verdict.ok, f"one is online in the work pool {WORK_POOL}")]
    words = f"none is online in the work pool {WORK_POOL}: run `prefect worker start --pool {WORK_POOL}`"
    return [Finding("worker", Verdict.problem, words)]


def _deployments(client: "SyncPrefectClient") -> list[Finding]:
    from flows.prefect_setup import Change, Setup, set_up

    items = [each for each in set_up(client, Setup(dry_run=True)) if not each.is_message]
    if other := [each.name for each in items if each.change != Change.unchanged]:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        words = f"{other[0]}{more} are missing or not as this version has them: {_SET_UP}"
        return [Finding("deployments", Verdict.problem, words)]
    return [Finding("deployments", Verdict.ok, f"{len(items)} things are as this version has them, limits included")]


def _schedules(client: "SyncPrefectClient") -> list[Finding]:
    """Each that should run is active, and the server has made its next run."""
    for full_name in _scheduled():
        known = client.read_deployment_by_name(full_name)
        if known.paused or not any(each.active for each in known.schedules):
            words = f"{full_name} is paused, so the clock starts nothing: resume it in Prefect's UI, Deployments"
            return [Finding("schedules", Verdict.problem, words)]
        if not _has_next_run(client, known):
            words = f"{full_name} has no next run: does the scheduler of the Prefect server run (--no-services)?"
            return [Finding("schedules", Verdict.problem, words)]
    return [Finding("schedules", Verdict.ok, f"{len(_scheduled())} are active, and their next runs are planned")]


def _has_next_run(client: "SyncPrefectClient", known: "DeploymentResponse") -> bool:
    from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
    from prefect.client.schemas.objects import StateType

    of_deployment = DeploymentFilter(id={"any_": [known.id]})
    scheduled = FlowRunFilter(state={"type": {"any_": [StateType.SCHEDULED]}})
    return bool(client.read_flow_runs(deployment_filter=of_deployment, flow_run_filter=scheduled, limit=1))


def _declared() -> list[dict[str, Any]]:
    declared = yaml.safe_load(files("flows").joinpath("prefect.yaml").read_text(encoding="utf-8"))
    return [each for each in declared["deployments"] if "schedules" in each]


def _scheduled() -> list[str]:
    return [f"{d['entrypoint'].rpartition('.')[2].replace('_', '-')}/{d['name']}" for d in _declared()]


def _clock() -> list[Finding]:
    """This machine's time beside that of whoever answers first: the Prefect server, then the vendors."""
    import httpx

    asked = [os.environ.get("PREFECT_API_URL", ""), HoldedSettings.load().base_url, NotionSettings.load().base_url]
    for url in filter(None, asked):
        try:
            said = httpx.get(url, timeout=_REQUEST_SECONDS / 2).headers.get("Date")
        except (httpx.HTTPError, httpx.InvalidURL):
            continue
        if said:
            ahead = (datetime.now(UTC) - parsedate_to_datetime(said)).total_seconds()
            if abs(ahead) > _MOST_CLOCK_SECONDS:
                where = "ahead of" if ahead > 0 else "behind"
                words = f"this machine is {abs(ahead):.0f} s {where} a server's clock: set it by NTP"
                return [Finding("clock", Verdict.problem, words)]
            return [Finding("clock", Verdict.ok, "as that of a server that was asked")]
    return [Finding("clock", Verdict.not_checked, "no server answered that tells the time")]


def _time_zone() -> list[Finding]:
    settings: SyncSettings = SyncSettings.load()
    other = sorted({each["timezone"] for d in _declared() for each in d["schedules"]} - {settings.timezone})
    if other:
        words = (
            f"schedules are in {', '.join(other)} and SYNC_TIMEZONE is {settings.timezone}: set it, or change "
            f"`timezone` in flows/prefect.yaml and {_SET_UP}"
        )
        return [Finding("time zone", Verdict.problem, words)]
    now = datetime.now(settings.zone)
    return [Finding("time zone", Verdict.ok, f"{settings.timezone}, where it is {now:%Y-%m-%d %H:%M}")]


def _disk() -> list[Finding]:
    url = configured_database_url()
    places = [tempfile.gettempdir(), os.environ.get("PREFECT_HOME") or str(Path.home())]
    if url.get_backend_name() == "sqlite" and url.database:
        places.append(url.database)
    free = {}
    for place in map(Path, places):
        folder = next(each for each in (place.absolute(), *place.absolute().parents) if each.is_dir())
        free[folder] = shutil.disk_usage(folder).free
    least = min(free, key=lambda folder: free[folder])
    gigabytes = f"{free[least] / 2**30:.1f} GiB free at {least}"
    if free[least] < _LEAST_DISK_BYTES:
        return [Finding("disk", Verdict.problem, f"{gigabytes}: make room, at least 1 GiB")]
    return [Finding("disk", Verdict.ok, gigabytes)]


LOOKS: dict[str, Look] = {
    "variables": _variables,
    "database": _database,
    "holded": partial(_vendor, "holded", open_holded),
    "fourgeeks": partial(_vendor, "fourgeeks", open_fourgeeks),
    "notion": partial(_vendor, "notion", open_notion),
    "server": _prefect,
    "clock": _clock,
    "time zone": _time_zone,
    "disk": _disk,
}
"""Subject -> what looks at it; that of the server looks at worker, deployments and schedules too."""
