"""What the cases share: a Prefect server, the sandbox, templates of databases, and what an undisturbed run leaves."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from steps.sandbox.server import SandboxServer, serve_sandbox
from steps.sandbox.world import build_world
from tests.database_server import administer, named
from tests.fast_vendors import FAST
from tests.kill_matrix.case import ACCRUALS, IMPORT, Case
from tests.kill_matrix.disturbance import Kind
from tests.kill_matrix.ground import Ground, copy_sqlite
from tests.kill_matrix.ledger_content import Content, ledger_content, ledger_rows
from tracking.database import dispose_engines, make_engine, parse_database_url


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody hits leaves."""

    content: Content
    rows: dict[str, list[tuple[Any, ...]]]
    """As SQLite keeps them."""
    results: dict[str, Any]
    """StepRun -> result."""


@pytest.fixture(scope="session")
def academy() -> Iterator[SandboxServer]:
    """The three vendors, of few clients."""
    with serve_sandbox(build_world(clients=8)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def variables(academy: SandboxServer, forked_environment: Mapping[str, str]) -> dict[str, str]:
    """What every command is told."""
    return {**academy.environment, **FAST, **forked_environment}


@dataclass(frozen=True)
class Model:
    """Databases to copy from, and what they should become."""

    empty: Path
    imported: Path
    undisturbed: dict[tuple[str, ...], Undisturbed]


@pytest.fixture(scope="session")
def model(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """An undisturbed import, then undisturbed accruals, on SQLite."""
    folder = tmp_path_factory.mktemp("model")
    url = f"sqlite:///{folder / 'sync.db'}"
    ground = Ground(url, variables, folder)
    make_current(url)
    empty = Path(copy_sqlite(folder / "sync.db", tmp_path_factory.mktemp("empty")).removeprefix("sqlite:///"))
    undisturbed = {IMPORT: _undisturbed(ground, IMPORT)}
    imported = Path(copy_sqlite(folder / "sync.db", tmp_path_factory.mktemp("imported")).removeprefix("sqlite:///"))
    undisturbed[ACCRUALS] = _undisturbed(ground, ACCRUALS)
    return Model(empty, imported, undisturbed)


def make_current(url: str) -> None:
    """Bring the schema of a database up to date."""
    from tracking.database import upgrade_database

    engine = make_engine(parse_database_url(url))
    upgrade_database(engine)
    engine.dispose()


def _undisturbed(ground: Ground, command: tuple[str, ...]) -> Undisturbed:
    ended = ground.run(*command)
    assert ended.status == 0, ended.err
    results = {cell_name(execution): execution["result"] for execution in ended.executions}
    engine = make_engine(parse_database_url(ground.database_url))
    try:
        return Undisturbed(ledger_content(engine), ledger_rows(engine), results)
    finally:
        engine.dispose()


def cell_name(execution: dict[str, Any]) -> str:
    """As the task run is called."""
    return f"{execution['step_name']} {(execution['window_start'] or '')[:7]}".strip()


@pytest.fixture(scope="session")
def postgres_imported(postgres_url: str, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database with the import in it, to copy from."""
    name = f"imported_{uuid4().hex}"
    administer(postgres_url, f"CREATE DATABASE {name} TEMPLATE template_sync STRATEGY FILE_COPY")
    ended = Ground(named(postgres_url, name), variables, tmp_path_factory.mktemp("pg")).run(*IMPORT)
    assert ended.status == 0, ended.err
    return name


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, model: Model, variables: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[Case], Ground]]:
    """Makes the ground of a case; a PostgreSQL database goes with the test."""
    made: list[tuple[str, str]] = []

    def make(case: Case) -> Ground:
        told = dict(variables)
        if case.disturbance.kind is Kind.SERVER_GONE:  # each command has a temporary one; the home stays
            told |= {"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "home"), "PREFECT_CLIENT_MAX_RETRIES": "1"}
        if case.database == "sqlite":
            template = model.imported if case.command == ACCRUALS else model.empty
            return Ground(copy_sqlite(template, tmp_path), told, tmp_path)
        server: str = request.getfixturevalue("postgres_url")
        template_name = request.getfixturevalue("postgres_imported") if case.command == ACCRUALS else "template_sync"
        name = f"killed_{uuid4().hex}"
        administer(server, f"CREATE DATABASE {name} TEMPLATE {template_name} STRATEGY FILE_COPY")
        made.append((server, name))
        return Ground(named(server, name), told, tmp_path, server)

    yield make
    dispose_engines()
    for server, name in made:
        administer(server, f"DROP DATABASE {name} WITH (FORCE)")
