"""The vendors, the ledger as an earlier import left it, and what an import that nothing disturbs makes of it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.parameters import IMPORT_ORDER
from steps.sandbox.exchange import Answer, Call, Vendor, json_answer
from steps.sandbox.server import PREFIXES, SandboxServer, serve_sandbox
from steps.vendors import backend, fourgeeks
from tests.fast_vendors import FAST
from tests.faults.academy import changed, known, modes
from tests.faults.run import STEPS, Left, results, run_import, what_is_left
from tests.kept_database import KeptDatabase
from tests.secret_watch import WATCH
from tracking.database import dispose_engines
from tracking.models import ExecutionStatus

_VENDORS: tuple[Vendor, ...] = ("holded", "fourgeeks", "notion")
"""In the order of the import."""
BACKEND_TOKEN = "a-token-of-the-fault-matrix-backend"


@pytest.fixture(scope="session")
def served() -> Iterator[SandboxServer]:
    """The vendors, for all tests of this process."""
    with serve_sandbox(known()) as server:
        server.backend = _work
        yield server


def _work(call: Call) -> Answer:
    """A backend that answers the same each time, as one whose vendors have nothing new."""
    return json_answer({"endpoint": call.path, "processed": 24, "errors": 0})


@dataclass(frozen=True)
class Model:
    """For the faults of one vendor."""

    before: Path
    """A database as it is when the run begins that goes wrong."""
    left: Left
    """What that run leaves when nothing goes wrong."""
    results: dict[str, Any]


Begin = Callable[[Vendor], Model]


@pytest.fixture(scope="session")
def models(
    served: SandboxServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Vendor, Model]:
    """Of each vendor. The database knows the academy as it was; what is imported before its steps, as it is now."""
    folder = tmp_path_factory.mktemp("faults")
    made: dict[Vendor, Model] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_variables(served), "SYNC_DATABASE_URL": f"sqlite:///{folder / 'sync.db'}"}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        shutil.copy(sqlite_template, folder / "sync.db")
        reset(served)
        import_the_known(served)
        untouched = what_is_left()
        for vendor in _VENDORS:
            dispose_engines()
            before = Path(shutil.copy(folder / "sync.db", folder / f"{vendor}.db"))
            executions = run_import(STEPS[vendor])
            assert [each.name for each in executions if each.status != ExecutionStatus.COMPLETED] == []
            made[vendor] = Model(before, what_is_left(), results(executions))
        patch.setenv("SYNC_BACKEND_URL", served.base_url + PREFIXES["backend"])
        made["backend"] = Model(made["holded"].before, untouched, results(run_import(STEPS["backend"])))
        dispose_engines()
    return made


def _variables(served: SandboxServer) -> dict[str, str]:
    return {**served.environment, **FAST, "FOURGEEKS_PAGE_SIZE": "12", "SYNC_API_TOKEN": BACKEND_TOKEN}


def reset(served: SandboxServer) -> None:
    """The academy as it is now, and nothing wrong with the vendors."""
    served.world, served.modes = changed(), modes()
    served.faults.clear()
    served.requests.clear()


def import_the_known(served: SandboxServer) -> None:
    """Bring the ledger to what was known before."""
    served.world = known()
    run_import(IMPORT_ORDER)
    served.world = changed()


@pytest.fixture
def academy(
    served: SandboxServer, models: dict[Vendor, Model], database: str, monkeypatch: pytest.MonkeyPatch
) -> SandboxServer:
    """The vendors with what has changed since the last import; no token of theirs is known."""
    for name, value in _variables(served).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backend, "_CALLS_PER_SECOND", 1000.0)
    reset(served)
    return served


@pytest.fixture
def begin(
    academy: SandboxServer,
    models: dict[Vendor, Model],
    database: str,
    kept_database: KeptDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Begin]:
    """Brings the database to where the run of a vendor's steps begins."""

    def bring(vendor: Vendor) -> Model:
        if database.startswith("sqlite"):
            monkeypatch.setenv("SYNC_DATABASE_URL", kept_database.url)
            kept_database.begin(models[vendor].before)
        else:
            import_the_known(academy)
            for earlier in _VENDORS[: _VENDORS.index(vendor)] if vendor in _VENDORS else ():
                run_import(STEPS[earlier])
        fourgeeks._tokens.clear()
        return models[vendor]

    yield bring
    WATCH.look_at_files(kept_database.file.parent)
