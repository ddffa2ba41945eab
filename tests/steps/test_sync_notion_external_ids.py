"""Notion pages: one a client, by exact email, with the status and the date that counts for it."""

from datetime import UTC, date, datetime

import pytest

from steps.errors import SuspiciousEmptyError
from steps.sandbox.records import PageDate
from steps.sandbox.server import SandboxServer
from tests.steps.calls import sync_invoices, sync_notion_external_ids, sync_services
from tests.steps.ledger_view import LedgerView, rows, whole_ledger
from tests.steps.records import FULL_STACK, contact, invoice, month, page, page_id
from tracking.models import IntegrationError

ANA, BOB = "ana@example.org", "bob@example.org"
MARCH, MAY = PageDate(date(2024, 3, 1)), PageDate(date(2024, 5, 1))


@pytest.fixture(autouse=True)
def books(database: str, sandbox: SandboxServer) -> None:
    sandbox.world.accounts.append(FULL_STACK)
    sync_services()
    for number, name in enumerate(("ana", "bob")):
        sandbox.world.contacts.append(contact(name))
        sandbox.world.invoices.append(invoice(number, date(2024, 1, 15), contact_id=f"c-{name}"))
    sync_invoices(month(1))


def chosen() -> dict[str, str]:
    return {email: row[0] for email, row in LedgerView().pages().items()}


def test_a_page_is_linked_with_its_status_and_date(sandbox: SandboxServer) -> None:
    sandbox.world.pages.append(page(1, " Ana@Example.org", status="Early Dropped", drop_date=MARCH, certified_at=MAY))

    result = sync_notion_external_ids()

    assert result == {
        "pages_processed": 1,
        "pages_created": 1,
        "pages_updated": 0,
        "pages_skipped": 0,
        "errors": 0,
        "other_errors": 0,
    }
    assert LedgerView().pages() == {ANA: (page_id(1), "EARLY_DROPPED", date(2024, 3, 1))}


@pytest.mark.parametrize(
    ("status", "drop", "certified", "expected"),
    [
        ("Dropped", None, MAY, date(2024, 5, 1)),
        ("Suspended", MARCH, None, date(2024, 3, 1)),
        ("Graduated", MARCH, MAY, date(2024, 5, 1)),
        ("Not Completing", MARCH, None, date(2024, 3, 1)),
        ("Graduated", None, None, None),
        ("Active", MARCH, MAY, None),
        (None, MARCH, None, None),
    ],
)
def test_each_status_has_its_date(
    sandbox: SandboxServer,
    status: str | None,
    drop: PageDate | None,
    certified: PageDate | None,
    expected: date | None,
) -> None:
    sandbox.world.pages.append(page(status=status, drop_date=drop, certified_at=certified))

    sync_notion_external_ids()

    assert LedgerView().pages()[ANA][2] == expected


def test_pages_of_nobody_and_without_email_are_skipped(sandbox: SandboxServer) -> None:
    sandbox.world.pages.extend([page(1, "nobody@example.org"), page(2, None), page(3)])

    result = sync_notion_external_ids()

    assert (result["pages_processed"], result["pages_skipped"], result["errors"]) == (1, 2, 0)


def test_a_second_run_writes_nothing(sandbox: SandboxServer) -> None:
    sandbox.world.pages.extend([page(1, status="Dropped", drop_date=MARCH), page(2), page(3, BOB)])
    sync_notion_external_ids()
    before = whole_ledger()

    result = sync_notion_external_ids()

    assert (result["pages_created"], result["pages_updated"], result["errors"]) == (0, 0, 1)
    assert whole_ledger() == before


def test_of_several_pages_the_one_edited_last_then_the_smallest_id_is_taken(sandbox: SandboxServer) -> None:
    later = datetime(2024, 2, 1, 9, tzinfo=UTC)
    sandbox.world.pages.extend([page(1), page(3, edited=later), page(2, edited=later)])

    result = sync_notion_external_ids()

    assert (chosen(), result["errors"]) == ({ANA: page_id(2)}, 2)
    assert LedgerView().errors() == {("page", page_id(1)), ("page", page_id(3))}
    assert [row["error_details"]["email"] for row in rows(IntegrationError)] == [ANA, ANA]


def test_another_page_takes_the_place_of_the_one_that_was_linked(sandbox: SandboxServer) -> None:
    sandbox.world.pages.append(page(1))
    sync_notion_external_ids()

    sandbox.world.pages.append(page(2, edited=datetime(2024, 3, 1, tzinfo=UTC)))
    result = sync_notion_external_ids()

    assert (result["pages_created"], result["pages_updated"]) == (0, 1)
    assert LedgerView().links("notion") == {page_id(2): ANA}


def test_two_pages_may_swap_their_clients(sandbox: SandboxServer) -> None:
    sandbox.world.pages.extend([page(1, ANA), page(2, BOB)])
    sync_notion_external_ids()

    sandbox.world.pages[:] = [page(1, BOB), page(2, ANA)]
    result = sync_notion_external_ids()

    assert (result["pages_created"], result["pages_updated"]) == (0, 2)
    assert chosen() == {ANA: page_id(2), BOB: page_id(1)}


def test_a_page_that_is_gone_keeps_its_link_and_is_reported_until_it_is_back(sandbox: SandboxServer) -> None:
    sandbox.world.pages.append(page(1, status="Dropped", drop_date=MARCH))
    sync_notion_external_ids()
    linked = LedgerView().pages()

    gone = sandbox.world.pages.pop()
    assert sync_notion_external_ids()["other_errors"] == 1
    assert (LedgerView().pages(), LedgerView().errors()) == (linked, {("page", page_id(1))})

    sandbox.world.pages.append(gone)
    assert sync_notion_external_ids()["errors"] == 0
    assert LedgerView().errors("resolved") == {("page", page_id(1))}


def test_a_page_that_lost_the_clients_email_keeps_its_link_and_is_reported(sandbox: SandboxServer) -> None:
    sandbox.world.pages.append(page(1))
    sync_notion_external_ids()

    sandbox.world.pages[0] = page(1, "nobody@example.org")
    sync_notion_external_ids()

    assert (chosen(), LedgerView().errors()) == ({ANA: page_id(1)}, {("page", page_id(1))})


def test_a_loss_of_most_pages_is_refused(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        sandbox.world.contacts.append(contact(f"p{number}"))
        sandbox.world.invoices.append(invoice(100 + number, date(2024, 1, 15), contact_id=f"c-p{number}"))
        sandbox.world.pages.append(page(number, f"p{number}@example.org"))
    sync_invoices(month(1))
    sync_notion_external_ids()
    del sandbox.world.pages[4:]

    with pytest.raises(SuspiciousEmptyError, match="6 of 10"):
        sync_notion_external_ids()

    monkeypatch.setenv("SYNC_ACCEPT_LOSS", "true")
    assert sync_notion_external_ids()["other_errors"] == 6
