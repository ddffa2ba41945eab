"""What the vendors have: dozens of records that the ledger knows, and what has changed since."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from steps.ledger.months import MonthWindow
from steps.sandbox.academy import MADRID_SCHOOL
from steps.sandbox.exchange import Modes
from steps.sandbox.records import Account, World
from tests.steps.records import (
    DATA_SCIENCE,
    FULL_STACK,
    RENT,
    contact,
    credit_note,
    enrollment,
    invoice,
    page,
    student,
    user,
)

MARCH = MonthWindow.of(date(2024, 3, 1))
PEOPLE = 24
PAGE = 10
MARK = "Mu#oz"
"""In a name of each list: where a fault puts what no database stores."""
DELETED_ACCOUNT, DELETED_CONTACT = "acc-old", "c-deleted"
GONE, MOVED, GONE_CREDIT_NOTE = "d6", "d7", "d305"


def modes() -> Modes:
    """Every list but those of accounts and credit notes has several pages."""
    return Modes(holded_page_size=PAGE, holded_documents_per_page=PAGE, notion_page_rows=PAGE)


def known() -> World:
    """What was imported before."""
    people = [f"p{number:03}" for number in range(1, PEOPLE + 1)]
    users = [user(9000 + number, f"{name}@example.org") for number, name in enumerate(people)]
    first = date(2024, 3, 1)
    documents = [
        invoice(number, first + timedelta(days=number % 28), f"{100 + number}.50", **_billed_to(name))
        for number, name in enumerate(people, 1)
    ]
    notes = [
        credit_note(
            300 + number, first + timedelta(days=number), **_billed_to(people[number]), source_invoice_id=source.id
        )
        for number, source in enumerate(documents[1:13], 1)
    ]
    return World(
        year=2024,
        academies=[MADRID_SCHOOL],
        accounts=[FULL_STACK, replace(DATA_SCIENCE, name=f"Data Science {MARK}"), RENT],
        contacts=[replace(contact(name), name=MARK if name == "p002" else name.title()) for name in people],
        invoices=documents,
        credit_notes=notes,
        students=[student(each, number=5000 + number) for number, each in enumerate(users)],
        enrollments=[enrollment(70000 + number, user=each) for number, each in enumerate(users)],
        pages=[page(number, f"{name}@example.org", status="Active") for number, name in enumerate(people, 1)],
    )


def changed() -> World:
    """The same academy later: in each list a record is new, another one edited; some documents are gone, or moved."""
    world, newcomer = known(), user(9900, "new@example.org")
    world.accounts[0] = replace(FULL_STACK, description="Part time")
    world.accounts.append(Account("acc-ai", "AI Engineering", 70500003))
    world.accounts.append(Account(DELETED_ACCOUNT, f"Full Stack {MARK}", 70500004, archived=True))
    world.contacts[0] = replace(world.contacts[0], name="Renamed")
    world.contacts.append(contact("new"))
    world.contacts.append(replace(contact("deleted"), name=MARK, listed=False))
    world.invoices[4] = invoice(5, world.invoices[4].date, "999.99", **_billed_to("p005"))
    world.invoices[6] = replace(world.invoices[6], date=date(2024, 8, 5), raw={"contactName": MARK})
    del world.invoices[5]
    del world.credit_notes[4]
    old = Account(DELETED_ACCOUNT, "", None)
    world.invoices.append(invoice(401, date(2024, 3, 7), **_billed_to("new")))
    world.invoices.append(invoice(402, date(2024, 3, 8), account=old, **_billed_to("p010")))
    world.invoices.append(invoice(403, date(2024, 3, 9), **_billed_to("deleted")))
    world.students.append(student(newcomer, number=5900))
    world.enrollments[3] = enrollment(70003, "DROPPED", updated=date(2024, 3, 20), user=world.enrollments[3].user)
    world.enrollments.append(enrollment(70900, user=newcomer))
    world.pages[2] = replace(world.pages[2], status="Graduated")
    world.pages.append(page(900, "new@example.org", status="Active"))
    return world


def _billed_to(name: str) -> dict[str, Any]:
    return {"contact_id": f"c-{name}", "contact_name": MARK if name == "p002" else name.title()}
