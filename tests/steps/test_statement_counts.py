"""Every step takes as many statements for many records as for few: no query and no settings in a loop over records."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer
from tests.steps.calls import (
    sync_crm_clients,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)
from tests.steps.records import (
    DATA_SCIENCE,
    FULL_STACK,
    contact,
    credit_note,
    enrollment,
    invoice,
    month,
    page,
    student,
    user,
)
from tests.steps.statements import counting_settings_reads, counting_statements
from tracking.encryption import new_key

JANUARY = month(1)
STEPS: list[Callable[[], dict[str, Any]]] = [
    sync_services,
    lambda: sync_invoices(JANUARY),
    lambda: sync_crm_clients(JANUARY),
    lambda: sync_service_periods(JANUARY),
    sync_notion_external_ids,
]


def academy(people: int) -> World:
    """Some people with everything a person can have, troubles included."""
    world = World(year=2024, academies=[MADRID_SCHOOL], accounts=[FULL_STACK, DATA_SCIENCE])
    for number in range(people):
        email, name = f"p{number}@example.org", f"p{number}"
        bill: dict[str, Any] = {"contact_id": f"c-{name}", "contact_name": name}
        world.contacts.extend([contact(name), contact(f"x{number}", email="")])
        world.invoices.append(invoice(10 * number, date(2024, 1, 5), **bill))
        world.invoices.append(invoice(10 * number + 1, date(2024, 1, 6), currency="usd", **bill))
        world.invoices.append(invoice(10 * number + 2, date(2024, 1, 7), contact_id=f"c-x{number}"))
        world.credit_notes.append(credit_note(10 * number + 3, date(2024, 1, 8), source_invoice_id=f"d{10 * number}"))
        person = user(9000 + number, email)
        world.students.append(student(person, number=number + 1))
        world.enrollments.append(enrollment(number + 1, "ON_HOLD", user=person))
        world.pages.extend([page(2 * number, email), page(2 * number + 1, email)])
    return world


@pytest.fixture
def statements_of_each_step(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    monkeypatch.setenv("SYNC_ERROR_BUDGET", "100%")

    def run() -> list[list[str]]:
        counted = []
        for step in STEPS:
            with counting_statements() as statements:
                step()
            counted.append([statement.split("(")[0][:40] for statement in statements])
        return counted

    return run


def test_ten_times_the_records_take_the_same_statements(
    database: str, sandbox: SandboxServer, statements_of_each_step: Callable[[], list[list[str]]]
) -> None:
    sandbox.world = academy(5)
    few = statements_of_each_step()
    sandbox.world = academy(100)

    many = statements_of_each_step()

    longest = [(len(now), len(before)) for now, before in zip(many, few, strict=True)]
    assert all(now <= before + 8 for now, before in longest), longest
    assert all(now <= 40 for now, _ in longest), longest


@pytest.mark.parametrize("secret", ["", new_key()], ids=["without a key", "encrypted"])
def test_a_hundred_clients_take_no_more_reads_of_the_settings_file_than_five(
    sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("SYNC_ERROR_BUDGET", "100%")
    monkeypatch.setenv("SYNC_ENCRYPTION_KEY", secret)
    counts = []
    for people in (5, 100):
        sandbox.world = academy(people)
        with counting_settings_reads() as reads:
            for step in STEPS:
                step()
        counts.append(len(reads))

    assert counts[1] <= counts[0] <= 40, counts
