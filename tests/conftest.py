"""Fixtures that every package's tests share: an isolated environment, a fresh database, a Prefect server."""

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from flows.prefect_server import logs_delivered, temporary_server
from tests.compiled_statements import share_compiled_statements
from tests.database_server import LentDatabase, administer, database_server, named
from tests.forked_commands import start_fork_server
from tests.kept_database import KeptDatabase
from tests.new_database import NewDatabase
from tests.prefect_home import fill_home, migrated_template
from tests.secret_watch import WATCH
from tracking.database import dispose_engines, make_engine, parse_database_url, upgrade_database

pytest_plugins = ["tests.watched"]

OURS = ("SYNC_", "HOLDED_", "FOURGEEKS_", "NOTION_", "PREFECT_")


def pytest_collection_finish() -> None:
    """What was imported stays: that the garbage collector need not look at it saves a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def pytest_configure() -> None:
    """Compiled statements are shared, and programs that tests start can be interrupted.

    A shell has all ignore interruptions that it starts in the background.
    """
    share_compiled_statements()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give marks to what is known by its fixtures, and keep together what shares a server.

    Tests that use a PostgreSQL server can be left out by the mark `postgresql`; whole runs, and what has the mark
    `sqlite_first`, are tested on PostgreSQL in the long suite. Tests that share a browser's server run in one
    process, and so do those of one file that share a Prefect server. They get a second try: a busy machine may starve
    their servers, workers and browsers.
    """
    parameters: Mapping[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    if "postgresql" in parameters.values() or "postgres_url" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.postgresql)
    if parameters.get("database") == "postgresql" and any(map(item.get_closest_marker, ("prefect", "sqlite_first"))):
        item.add_marker(pytest.mark.long)
    if item.get_closest_marker("browser"):
        item.add_marker(pytest.mark.xdist_group("browser"))
    elif item.get_closest_marker("prefect"):
        item.add_marker(pytest.mark.xdist_group(item.path.stem))
    else:
        return
    item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable and no `.env` of the machine reaches a test; the database is a file of the test's own."""
    for name in list(os.environ):
        if name.startswith(OURS) and not name.startswith("PREFECT_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNC_DATABASE_URL", f"sqlite:///{tmp_path / 'sync.db'}")
    yield
    dispose_engines()
    WATCH.learn(os.environ)
    WATCH.look_at_files(tmp_path)


@pytest.fixture(autouse=True)
def threads_of_prefect_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """What Prefect sends in the background is sent; its threads would use `random` while others draw examples by it.

    A browser's tests run no flow in this process, and have an event loop, in which Prefect would not wait.
    """
    yield
    if request.node.get_closest_marker("prefect") and not request.node.get_closest_marker("browser"):
        with logs_delivered():
            pass


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of the test session's own, with a migrated database `template_sync` to copy from."""
    with database_server() as server:
        administer(server.url, "CREATE DATABASE template_sync")
        template = make_engine(parse_database_url(named(server.url, "template_sync")))
        upgrade_database(template)
        template.dispose()
        yield server.url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy from."""
    path = tmp_path_factory.mktemp("template") / "sync.db"
    template = make_engine(parse_database_url(f"sqlite:///{path}"))
    upgrade_database(template)
    template.dispose()
    return path


@pytest.fixture(scope="session")
def kept_database(tmp_path_factory: pytest.TempPathFactory) -> KeptDatabase:
    """A SQLite database for the tests of this process, one after the other."""
    return KeptDatabase(tmp_path_factory.mktemp("kept") / "sync.db")


@pytest.fixture(scope="session")
def lent_database(postgres_url: str) -> LentDatabase:
    """A PostgreSQL database for the tests of this process, one after the other."""
    return LentDatabase(postgres_url, "template_sync", "lent")


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> None:
    """An empty database in the file that `SYNC_DATABASE_URL` names, for what is the same on either kind."""
    shutil.copy(sqlite_template, tmp_path / "sync.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, set as `SYNC_DATABASE_URL`; the test runs once on each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "sync.db")
        yield os.environ["SYNC_DATABASE_URL"]
        return
    lent: LentDatabase = request.getfixturevalue("lent_database")
    monkeypatch.setenv("SYNC_DATABASE_URL", lent.url)
    yield lent.url
    dispose_engines()
    WATCH.learn(os.environ)
    WATCH.look_at_postgresql(lent.url)
    lent.take_back()


@pytest.fixture
def new_database(
    request: pytest.FixtureRequest, kept_database: KeptDatabase, monkeypatch: pytest.MonkeyPatch
) -> Iterator[NewDatabase]:
    """From each call on, `SYNC_DATABASE_URL` names an empty database of the kind that is the fixture's parameter."""

    def sqlite() -> None:
        monkeypatch.setenv("SYNC_DATABASE_URL", kept_database.url)
        kept_database.begin(request.getfixturevalue("sqlite_template"))

    def postgresql() -> None:
        lent: LentDatabase = request.getfixturevalue("lent_database")
        lent.take_back()  # its engine finds new connections, and keeps its compiled statements
        monkeypatch.setenv("SYNC_DATABASE_URL", lent.url)

    yield sqlite if request.param == "sqlite" else postgresql
    if request.param == "sqlite":
        WATCH.look_at_files(kept_database.file.parent)
        return
    dispose_engines()
    lent: LentDatabase = request.getfixturevalue("lent_database")
    WATCH.learn(os.environ)
    WATCH.look_at_postgresql(lent.url)
    lent.take_back()


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Callable[[], Path]:
    """Makes a home of Prefect that nobody has used, whose database has its tables."""
    template = migrated_template(pytestconfig.cache.mkdir("prefect"))
    return lambda: fill_home(tmp_path_factory.mktemp("prefect-home"), template)


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Callable[[], Path]) -> Iterator[str]:
    """The API URL of a Prefect server with a home of its own, which the tests of one process share."""
    home = prefect_home()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        with temporary_server() as url:
            yield url
    WATCH.look_at_files(home)


@pytest.fixture(scope="session")
def forked_environment(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Prefect's variables of the commands that `tests/forked_commands.py` forks."""
    prefect = {"PREFECT_API_URL": prefect_server, "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect-home"))}
    start_fork_server({**prefect, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"})
    return prefect
