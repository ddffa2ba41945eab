"""The watch over secrets finds what it is there to find, and tells where without telling what."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.secret_watch import SecretWatch
from tracking.database import dispose_engines, get_engine, tracking_session
from tracking.encryption import new_key
from tracking.models import SyncExecution
from tracking.redaction import register_secret

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PLANTED = "planted-where-it-does-not-belong"
LEAKING_TESTS = """
import httpx, logging, os, pytest
from tests.secret_watch import WATCH

@pytest.fixture
def a_secret(monkeypatch):
    monkeypatch.setenv("A_TOKEN", "planted-where-it-does-not-belong")
    WATCH.learn(os.environ)
    return os.environ["A_TOKEN"]

def test_prints(a_secret):
    print(a_secret)

def test_logs(a_secret):
    logging.getLogger("flows").debug("with %s", a_secret)

def test_is_answered(a_secret):
    headers = {"Cross-Origin-Opener-Policy": "same-origin"}
    answer = httpx.MockTransport(lambda request: httpx.Response(200, text=a_secret, headers=headers))
    httpx.Client(transport=answer).get("http://127.0.0.1/api/sync/executions")

def test_leaves_a_file(a_secret, tmp_path):
    (tmp_path / "notes.txt").write_text(a_secret)
    WATCH.look_at_files(tmp_path)

def test_is_good(a_secret):
    print("nothing")
"""
EXPECTED = ["captured stdout call", "captured log call", "the answer to GET /api/sync/executions", "notes.txt"]


@pytest.fixture
def watch() -> SecretWatch:
    """A watch of the test's own, which knows one secret of the environment."""
    watch = SecretWatch()
    watch.learn({"SOME_VENDOR_TOKEN": PLANTED, "SOME_NAME": "an ordinary word", "SHORT_KEY": "word"})
    return watch


def test_a_secret_in_a_text_is_found_once_and_an_ordinary_value_is_none(watch: SecretWatch) -> None:
    watch.look_at("an answer", f"before {PLANTED} after")
    watch.look_at("another", "an ordinary word")

    assert watch.findings() == ["an answer"]
    assert watch.findings() == []
    assert watch.mask(f"with {PLANTED}") == "with <a secret>"


def test_a_secret_that_becomes_known_later_is_found_too(watch: SecretWatch) -> None:
    watch.look_at("an answer", "it was hidden-in-the-answer")
    register_secret("hidden-in-the-answer")
    watch.learn({})

    assert watch.findings() == ["an answer"]


def test_a_secret_in_any_file_but_where_it_belongs_is_found(watch: SecretWatch, tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / ".env").write_text(f"SOME_VENDOR_TOKEN={PLANTED}\n")
    (folder / "state.db").write_bytes(b"\0\xff" + PLANTED.encode() + b"\0")

    watch.look_at_files(tmp_path)

    assert watch.findings() == ["deep/state.db"]


def test_a_secret_in_a_table_is_found(watch: SecretWatch, database: str, tmp_path: Path) -> None:
    with tracking_session() as session:
        session.add(SyncExecution(step_name="services", details={"result": {"deep": [PLANTED]}}))
    is_sqlite = get_engine().dialect.name == "sqlite"
    dispose_engines()

    if is_sqlite:
        watch.look_at_files(tmp_path)
    else:
        watch.look_at_postgresql(database)

    assert watch.findings() == ["sync.db" if is_sqlite else "the database"]


def test_the_encryption_keys_that_each_test_makes_are_forgotten(watch: SecretWatch) -> None:
    key = new_key()
    watch.learn({"SYNC_ENCRYPTION_KEY": f"{new_key()},{key}"})
    watch.look_at("what was said", f"old key: {key}")

    assert watch.findings() == ["what was said"]
    watch.look_at("what was said", f"old key: {key}")
    assert watch.findings() == []


def test_a_test_that_lets_a_secret_out_fails_and_says_where_and_not_what(tmp_path: Path) -> None:
    (tmp_path / "test_leaks.py").write_text(LEAKING_TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.watched", "-p", "no:cacheprovider", "-p", "no:randomly"]

    done = subprocess.run(
        [*command, "-rA", "test_leaks.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    told = re.findall(r"^a secret got out: (.+)$", done.stdout, re.MULTILINE)
    assert told == EXPECTED, done.stdout + done.stderr
    assert "5 passed, 4 errors" in done.stdout
    assert PLANTED not in done.stdout + done.stderr
