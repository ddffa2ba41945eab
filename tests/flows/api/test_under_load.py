"""Two hundred readers beside an import: nobody gets an error, and the log says nothing that was private.

How long they wait is measured by `tests/benchmarks/history.py`, on either database.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from steps.sandbox.server import serve_sandbox
from steps.sandbox.world import build_world
from tests.benchmarks.long_history import fill_history
from tests.benchmarks.questions import PATH, as_query, questions
from tests.benchmarks.readers import Crowd, reading
from tests.fast_vendors import FAST
from tests.flows.page.server import TOKEN, serve_page
from tracking.database import dispose_engines
from tracking.history import HistoryFilter, find_executions

pytestmark = pytest.mark.prefect

CLIENTS = 200
HISTORY = 2_000
MARCH = {"start_date": "2024-03-01", "end_date": "2024-04-01"}
STEPS = ("services", "invoices", "crm-clients")


@pytest.mark.long
def test_200_readers_get_no_error_while_a_month_is_imported(prefect_home: Callable[[], Path], tmp_path: Path) -> None:
    fill_history(HISTORY)
    dispose_engines()
    database = os.environ["SYNC_DATABASE_URL"]
    addresses = tuple(str(httpx.URL(PATH, params=as_query(each))) for each in questions(HISTORY).values())
    with serve_sandbox(build_world(clients=30)) as academy:
        variables = {**academy.environment, **FAST, "SYNC_DATABASE_URL": database, "PREFECT_HOME": str(prefect_home())}
        with serve_page(tmp_path, variables) as server:
            crowd = Crowd(server.url, addresses, {"Authorization": f"Bearer {TOKEN}"}, CLIENTS, pause_seconds=0.5)
            with reading(crowd) as heard:
                for step in STEPS:
                    server.execute(step, **MARCH)
            log = server.log.read_text(encoding="utf-8")
        emails = {contact.email for contact in academy.world.contacts if contact.email}
        secrets = {value for name, value in variables.items() if name.endswith(("KEY", "PASSWORD", "TOKEN"))}

    assert heard.errors == Counter()
    assert len(heard.seconds) > CLIENTS
    assert heard.statuses[304] > 0
    imported = [each for each in find_executions(HistoryFilter()) if each.id and each.id > HISTORY]
    assert Counter(each.status for each in imported) == {"completed": len(STEPS)}
    assert f"GET {PATH} 200" in log
    assert [line for line in log.splitlines() if "?" in line or "@" in line] == []
    assert not any(private in log for private in (TOKEN, *emails, *secrets))
