"""Where a run is in Prefect's UI."""

import pytest

from flows.page.components import run_address


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"PREFECT_UI_URL": "https://prefect.example/ui/"}, "https://prefect.example/ui/runs/flow-run/7"),
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api"}, "http://127.0.0.1:4200/runs/flow-run/7"),
        (
            {"PREFECT_UI_URL": "http://ui.example", "PREFECT_API_URL": "http://api.example/api"},
            "http://ui.example/runs/flow-run/7",
        ),
        ({}, None),
    ],
    ids=["ui", "api", "both", "neither"],
)
def test_a_run_is_found_where_prefect_is_configured(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], address: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert run_address("7") == address


def test_an_execution_without_a_run_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_UI_URL", "http://ui.example")

    assert run_address(None) is None
