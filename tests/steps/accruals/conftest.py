"""What several tests of the accruals step begin with."""

import pytest

from tests.steps.accruals.database_ledger import Stored, store


@pytest.fixture
def ledger(database: str) -> None:
    """A contract with an enrollment, and sound imports of its years."""
    store(Stored())
