"""What several tests of the accruals step begin with."""

from collections.abc import Iterator

import pytest

from tests.steps.accruals.database_ledger import Stored, store
from tests.steps.accruals.recorded_imports import release_runs


@pytest.fixture
def ledger(database: str) -> Iterator[None]:
    """A contract with an enrollment, and sound imports of its years; no run that a test let live outlives it."""
    store(Stored())
    yield
    release_runs()
