"""What the tests of accruals share."""

from collections.abc import Iterator

import pytest

from tests.steps.accruals.recorded_imports import release_runs


@pytest.fixture(autouse=True)
def released_runs() -> Iterator[None]:
    """No run that a test let live outlives it."""
    yield
    release_runs()
