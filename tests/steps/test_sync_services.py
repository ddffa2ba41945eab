"""Income accounts become services; what the academy itself knows of them is left alone."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import update

from steps.errors import SuspiciousEmptyError
from steps.ledger.service import Service
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_invoices, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import DATA_SCIENCE, FULL_STACK, RENT, contact, invoice, month
from tracking.database import write_session

pytestmark = pytest.mark.usefixtures("database")


def test_accounts_that_fit_the_settings_become_services(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.extend([FULL_STACK, replace(DATA_SCIENCE, number_key="accNum"), RENT])

    result = sync_services()

    assert result == {
        "services_processed": 2,
        "services_created": 2,
        "services_updated": 0,
        "services_skipped": 1,
        "errors": 0,
        "other_errors": 0,
    }
    assert LedgerView().services() == {
        "acc-fs": ("70500001", "Full Stack", "", "FS"),
        "acc-ds": ("70500002", "Data Science", "", "DS"),
    }


def test_names_may_have_to_begin_with_something(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.world.accounts.extend([FULL_STACK, DATA_SCIENCE])
    monkeypatch.setenv("SYNC_SERVICE_NAME_PREFIXES", "full,other")

    assert sync_services()["services_skipped"] == 1
    assert LedgerView().services().keys() == {"acc-fs"}


def test_a_second_run_writes_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.extend([FULL_STACK, RENT])
    sync_services()
    before = whole_ledger()

    result = sync_services()

    assert (result["services_created"], result["services_updated"]) == (0, 0)
    assert whole_ledger() == before


def test_a_changed_account_keeps_sessions_and_weekdays(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sync_services()
    with write_session() as session:
        session.execute(update(Service).values(total_sessions=32, sessions_per_week=2, class_weekdays=[0, 2]))

    sandbox.world.accounts[0] = replace(FULL_STACK, name="Web Full Stack")
    result = sync_services()

    (row,) = rows(Service)
    assert (result["services_updated"], row["name"]) == (1, "Web Full Stack")
    assert (row["total_sessions"], row["sessions_per_week"], row["class_weekdays"]) == (32, 2, [0, 2])


def test_an_account_that_leaves_the_prefix_stops_being_a_service_and_is_reported(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sandbox.world.contacts.append(contact())
    sandbox.world.invoices.append(invoice(1, date(2024, 3, 5)))
    sync_services()
    sync_invoices(month(3))
    sandbox.world.accounts[0] = replace(FULL_STACK, number=62300001)

    result = sync_services(), sync_invoices(month(3))

    assert (result[0]["errors"], result[1]["other_errors"]) == (1, 1)
    assert LedgerView().errors() == {("service", FULL_STACK.id), ("service_contract", "1")}
    assert LedgerView().invoices()["d1"][1:3] == ("ana@example.org", None)
    assert result[1]["invoices_skipped"] == 1

    sandbox.world.accounts[0] = FULL_STACK
    sync_services()
    sync_invoices(month(3))
    assert LedgerView().errors() == set()
    assert LedgerView().contracts()["ana@example.org", FULL_STACK.id][3] == "ACTIVE"


def test_a_deleted_account_keeps_its_service(sandbox: SandboxServer) -> None:
    sandbox.world.accounts.extend([FULL_STACK, DATA_SCIENCE])
    sync_services()

    sandbox.world.accounts[0] = replace(FULL_STACK, archived=True)
    sync_services()

    assert LedgerView().services().keys() == {"acc-fs", "acc-ds"}


def test_a_list_that_lost_every_known_service_is_refused(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.world.accounts.extend(replace(FULL_STACK, id=f"acc-{number}") for number in range(10))
    sync_services()
    sandbox.world.accounts[:] = [replace(FULL_STACK, id="acc-new")]

    with pytest.raises(SuspiciousEmptyError, match="none of the 10"):
        sync_services()
    assert "acc-new" not in LedgerView().services()

    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    assert sync_services()["services_created"] == 1
