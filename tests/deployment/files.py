"""Dockerfile and compose.yaml as data."""

import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SECRETS = "/run/secrets/"
"""Where a container finds its secrets."""
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Instruction:
    """One of a Dockerfile."""

    name: str
    """Such as `RUN`."""
    rest: str


def dockerfile() -> list[list[Instruction]]:
    """The stages, each from its `FROM` on."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    stages: list[list[Instruction]] = []
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        if name and not name.startswith("#"):
            stages[-1].append(Instruction(name, " ".join(rest.split())))
    return stages


def image_environment() -> dict[str, str]:
    """The variables that the image has from its last stage."""
    given = [each.rest.split(" ") for each in dockerfile()[-1] if each.name == "ENV"]
    return dict(pair.split("=", 1) for pairs in given for pair in pairs)


@dataclass(frozen=True)
class Service:
    """A service of compose.yaml, with what a container gets from it."""

    name: str
    declared: Mapping[str, Any]

    @property
    def command(self) -> list[str]:
        """What is started; empty: what the image says."""
        return [str(each) for each in self.declared.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        """Besides the image's."""
        return dict(self.declared.get("environment", {}))

    @property
    def health_check(self) -> list[str]:
        """The command that ends with 0 if the service is healthy; empty: there is none."""
        test: list[str] = self.declared.get("healthcheck", {}).get("test", ["CMD"])
        assert test[0] == "CMD", "a shell is not needed"
        return test[1:]

    @property
    def is_ours(self) -> bool:
        """Whether it runs this project's image."""
        return str(self.declared["image"]).startswith("sync-management:")

    @property
    def stop_signal(self) -> signal.Signals:
        """What it is told to end by."""
        return signal.Signals[self.declared.get("stop_signal", "SIGTERM")]

    @property
    def stop_seconds(self) -> float:
        """After so many it is killed."""
        given = re.fullmatch(r"(\d+)(s|m)", self.declared["stop_grace_period"])
        assert given
        return int(given[1]) * {"s": 1, "m": 60}[given[2]]


def compose(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """compose.yaml, with these variables or their defaults put in."""
    known, text = variables or {}, (ROOT / "compose.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(lambda found: known.get(found[1], found[2]), text))
    return content


def services(variables: Mapping[str, str] | None = None) -> dict[str, Service]:
    """Name -> service."""
    return {name: Service(name, declared) for name, declared in compose(variables)["services"].items()}


def make_secrets(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Have the script of the guide make the secrets in this folder."""
    script = ROOT / "docs/deployment/make-secrets.sh"
    return subprocess.run([script, folder], capture_output=True, text=True, check=False)
