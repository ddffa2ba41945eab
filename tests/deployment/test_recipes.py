"""The recipes for Kubernetes and systemd start what compose.yaml starts, which is what the other tests try."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.files import ROOT, Service, dockerfile, image_environment, services

SERVICES = {name: service for name, service in services().items() if service.is_ours}
FOLDER = ROOT / "docs/deployment"
MANIFESTS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))["items"]
UNITS = {
    "prefect": "prefect-server.service",
    "setup": "sync-setup.service",
    "worker": "sync-worker@.service",
    "api": "sync-api.service",
}
_EACH = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
_PLACES = {"PREFECT_API_URL", "PREFECT_UI_URL", "PREFECT_SERVER_UI_API_URL", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"}
"""Variables whose value says where something is, which each installation says for itself."""


def _pods() -> dict[str, dict[str, Any]]:
    templates = [each["spec"]["template"] for each in MANIFESTS if "template" in each["spec"]]
    return {template["metadata"]["labels"]["app"]: template["spec"] for template in templates}


def _container(name: str) -> dict[str, Any]:
    (container,) = _pods()[name]["containers"]
    found: dict[str, Any] = container
    return found


def _unit(file: str) -> dict[str, list[str]]:
    """Key -> values, in their order."""
    given = defaultdict(list)
    for line in (FOLDER / "systemd" / file).read_text(encoding="utf-8").splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            given[key].append(value)
    return given


def test_there_is_a_pod_and_a_unit_for_each_service() -> None:
    assert set(_pods()) == set(SERVICES) == set(UNITS)
    assert {path.name for path in (FOLDER / "systemd").iterdir()} == set(UNITS.values())


@_EACH
def test_a_pod_does_what_the_service_does(service: Service) -> None:
    container, pod = _container(service.name), _pods()[service.name]
    given = {each["name"]: each["value"] for each in container["env"]}

    assert container["command"] == service.command
    assert container["image"] == service.declared["image"]
    assert given.keys() == service.environment.keys()
    assert _without_places(given) == _without_places(service.environment)
    assert pod["terminationGracePeriodSeconds"] == service.stop_seconds
    probe = container.get("readinessProbe") or container.get("livenessProbe") or {"exec": {"command": []}}
    assert probe["exec"]["command"] == service.health_check
    assert bool(pod.get("shareProcessNamespace")) == (service.name == "worker")


@_EACH
def test_a_pod_has_few_rights_and_its_own_secrets(service: Service) -> None:
    container, pod = _container(service.name), _pods()[service.name]
    user = int(next(each.rest for each in dockerfile()[-1] if each.name == "USER").partition(":")[0])

    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, user)
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not pod["enableServiceLinks"]
    assert not pod["automountServiceAccountToken"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
    assert set(mounts) == {"/run/secrets", "/tmp", image_environment()["HOME"]}
    made_of = _secret_files()[mounts["/run/secrets"]["secret"]["secretName"]]
    assert made_of == set(service.declared["secrets"])


def _secret_files() -> dict[str, set[str]]:
    """Of each secret, as the comment at the top has it made."""
    made = {}
    for line in (FOLDER / "kubernetes.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("#   kubectl create secret generic "):
            name, *files = line.removeprefix("#   kubectl create secret generic ").split(" --from-file=secrets/")
            made[name] = set(files)
    return made


def test_the_manifests_selectors_find_their_pods() -> None:
    named = {each["metadata"]["name"]: each["spec"] for each in MANIFESTS if each["kind"] == "Service"}

    ports = {spec["selector"]["app"]: spec["ports"][0]["port"] for spec in named.values()}
    assert ports == {app: _container(app)["ports"][0]["containerPort"] for app in ("prefect", "api")}
    assert "prefect" in named  # the host of PREFECT_API_URL
    for each in MANIFESTS:
        if each["kind"] == "Deployment":
            assert each["spec"]["selector"]["matchLabels"] == each["spec"]["template"]["metadata"]["labels"]


@_EACH
def test_a_unit_does_what_the_service_does(service: Service) -> None:
    unit = _unit(UNITS[service.name])
    given = dict(pair.split("=", 1) for pair in unit["Environment"])
    home = given.pop("HOME")

    (command,) = unit["ExecStart"]
    expected = " ".join(each.replace("0.0.0.0", "127.0.0.1") for each in service.command)
    assert command == f"/opt/sync/bin/{expected.removesuffix(' --with-healthcheck')}"
    assert given.pop("PREFECT_SERVER_ANALYTICS_ENABLED") == "false"
    wanted = {name: value for name, value in service.environment.items() if "_WEBSERVER_" not in name}
    assert given.keys() == wanted.keys()
    assert _without_places(given) == {
        name: {"prefect-database": "127.0.0.1", "/tmp/prefect-ui": f"{home}/ui"}.get(
            value, value.replace("/run/secrets", "%d")
        )
        for name, value in _without_places(wanted).items()
    }
    secrets = {each.split(":")[0]: Path(each.split(":")[1]) for each in unit["LoadCredential"]}
    assert secrets == {name: Path("/etc/sync") / name for name in service.declared["secrets"]}
    assert unit["WorkingDirectory"] == [home] == [f"/var/lib/{unit['StateDirectory'][0]}"]
    assert (unit["User"], unit["UMask"]) == (["sync"], ["0077"])


def _without_places(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in _PLACES}
