"""docs/interfaces.md names every route of the API, and no other."""

import re
from pathlib import Path

from flows.api.app import create_app
from steps.settings import SyncSettings
from tests.flows.api.recorded_runs import RecordedRuns

INTERFACES = (Path(__file__).parents[3] / "docs/interfaces.md").read_text(encoding="utf-8")


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    document = create_app(SyncSettings(), RecordedRuns()).openapi()
    routes = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}

    assert set(re.findall(r"^\| `([A-Z]+ /api/\S+)` \|", INTERFACES, re.MULTILINE)) == routes
