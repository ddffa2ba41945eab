"""What several tests of the accruals step begin with."""

from collections.abc import Iterator

import pytest

from steps.settings import AccrualMethod
from tests.steps.accruals.database_ledger import Stored, store
from tests.steps.accruals.recorded_imports import release_runs


@pytest.fixture(params=list(AccrualMethod))
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AccrualMethod:
    """`SYNC_ACCRUAL_METHOD`: what it promises of the one holds of the other."""
    monkeypatch.setenv("SYNC_ACCRUAL_METHOD", request.param.value)
    chosen: AccrualMethod = request.param
    return chosen


@pytest.fixture
def ledger(database: str) -> Iterator[None]:
    """A contract with an enrollment, and sound imports of its years; no run that a test let live outlives it."""
    store(Stored())
    yield
    release_runs()
