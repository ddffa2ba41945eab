"""Records of an academy that a test writes by hand: as plain as can be, but for what the test says."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from steps.domain.months import MonthWindow
from steps.sandbox.books import Account, Contact, Document, Line
from steps.sandbox.campus import Cohort, Enrollment, Page, Student, User

FULL_STACK = Account("acc-fs", "Full Stack", 70500001)
DATA_SCIENCE = Account("acc-ds", "Data Science", 70500002)
RENT = Account("acc-rent", "Rent", 70000001)


def month(number: int, year: int = 2024) -> MonthWindow:
    return MonthWindow.of(date(year, number, 1))


def contact(name: str = "ana", **changes: Any) -> Contact:
    """`ana` has the id `c-ana` and the email `ana@example.org`."""
    fields: dict[str, Any] = {"email": f"{name}@example.org", "created_on": date(2024, 1, 1), **changes}
    return Contact(f"c-{name}", name.title(), **fields)


def invoice(
    number: int, day: date, amount: str = "100.00", *, account: Account | None = FULL_STACK, **changes: Any
) -> Document:
    """`d1`, of contact `c-ana`, with one line on an account; `tax` comes on top."""
    line = Line("A line", account.id if account else "", Decimal(amount))
    fields: dict[str, Any] = {"contact_id": "c-ana", "contact_name": "Ana", "tax": Decimal("0.00"), **changes}
    return Document(
        id=f"d{number}",
        kind=fields.pop("kind", "invoice"),
        date=day,
        lines=fields.pop("lines", (line,)),
        account_id=account.id if account else None,
        subtotal=Decimal(amount),
        number=f"F{number}",
        sequence=number,
        **fields,
    )


def credit_note(number: int, day: date, amount: str = "30.00", **changes: Any) -> Document:
    """Like an invoice; `source_invoice_id` names the invoice it was made from."""
    return invoice(number, day, amount, kind="creditnote", **changes)


def user(number: int = 9001, email: str = "ana@example.org") -> User:
    return User(number, email, "Ana", "Gil")


def student(person: User | None = None, email: str | None = None, number: int = 5101) -> Student:
    return Student(number, 6, "Ana", "Gil", email, person, datetime(2024, 1, 1, tzinfo=UTC))


def cohort(
    slug: str | None = "madrid-fs-1", kickoff: date = date(2024, 2, 1), ending: date | None = date(2024, 6, 28)
) -> Cohort:
    at = datetime(kickoff.year, kickoff.month, kickoff.day, 17, tzinfo=UTC)
    end = datetime(ending.year, ending.month, ending.day, 17, tzinfo=UTC) if ending else None
    return Cohort(880, 6, slug, "A cohort", at, end, "FS")


def enrollment(
    number: int = 70001, status: str | None = "ACTIVE", *, updated: date = date(2024, 1, 20), **changes: Any
) -> Enrollment:
    saved = datetime(updated.year, updated.month, updated.day, 9, tzinfo=UTC)
    made = min(saved, datetime(2024, 1, 20, 9, tzinfo=UTC))
    fields: dict[str, Any] = {"user": user(), "cohort": cohort(), "created_at": made, "status_changed_at": saved}
    fields |= changes
    return Enrollment(id=number, educational_status=status, **fields)


def page(
    number: int = 1, email: str | None = "ana@example.org", *, edited: datetime | None = None, **changes: Any
) -> Page:
    created = edited or datetime(2024, 1, 10, 9, tzinfo=UTC)
    return Page(page_id(number), "Ana", email, created, **changes)


def page_id(number: int) -> str:
    return str(UUID(int=number))
