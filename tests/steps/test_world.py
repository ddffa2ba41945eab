"""A year of the invented academy, imported over real HTTP, against what the world itself says the ledger must hold."""

import pytest

from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.steps.calls import sync_invoices
from tests.steps.expected import Expected
from tests.steps.ledger_view import LedgerView, whole_ledger
from tests.steps.year_import import YEAR, import_year, written

pytestmark = pytest.mark.slow


def assert_ledger_is(expected: Expected) -> None:
    ledger = LedgerView()
    assert ledger.services() == expected.services()
    assert ledger.clients() == expected.clients()
    assert ledger.links("holded") == expected.contact_links()
    assert ledger.invoices() == expected.invoices()
    assert ledger.contracts() == expected.contracts
    assert ledger.links("fourgeeks") == expected.crm_links()
    assert ledger.periods() == expected.periods()
    assert ledger.pages() == expected.pages()


def test_a_year_of_the_academy_is_in_the_ledger_as_the_world_has_it(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = build_world()

    import_year()

    assert_ledger_is(Expected(sandbox.world, 2024))
    assert LedgerView().errors() == Expected(sandbox.world, 2024).errors()


def test_a_second_run_writes_no_row(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = build_world(spoiled=True)
    first = import_year()
    before = whole_ledger()

    second = import_year()

    assert written(second) == {}
    assert second["errors"] == first["errors"]
    assert whole_ledger() == before


@pytest.mark.parametrize("seed", [1, 7])
def test_larger_academies_of_other_seeds_come_out_as_well(seed: int, sandbox: SandboxServer) -> None:
    sandbox.world = build_world(seed=seed, clients=250)

    import_year()

    assert_ledger_is(Expected(sandbox.world, 2024))


def test_spoiled_records_become_errors_and_nothing_is_lost(database: str, sandbox: SandboxServer) -> None:
    sandbox.world = build_world(spoiled=True)

    import_year()

    expected = Expected(sandbox.world, 2024)
    assert_ledger_is(expected)
    in_year = [each for each in sandbox.world.invoices + sandbox.world.credit_notes if each.date.year == 2024]
    stored = LedgerView().invoices()
    unreadable = [each for each in in_year if set(each.raw) - {"contact"}]
    twice = len(in_year) - len(unreadable) - len(stored)
    assert twice == 1
    reported = LedgerView().errors()
    assert {each.id for each in unreadable if each.raw.get("id") != ""} <= {external_id for _, external_id in reported}
    assert expected.errors() - {("contact", each.contact_id) for each in in_year if each.raw} <= reported


def test_months_read_one_by_one_the_last_first_come_out_like_a_year_read_at_once(sandbox: SandboxServer) -> None:
    sandbox.world = build_world()

    for window in reversed(list(YEAR.months())):
        sync_invoices(window)

    expected = Expected(sandbox.world, 2024)
    ledger = LedgerView()
    assert ledger.invoices() == expected.invoices()
    assert ledger.contracts() == expected.contracts
    assert ledger.clients() == expected.clients()
