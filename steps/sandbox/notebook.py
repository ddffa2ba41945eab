"""What is written in Notion about a client: usually what the CRM says, sometimes something of its own."""

from dataclasses import replace
from datetime import datetime, timedelta

from steps.sandbox.campus import Enrollment, Page, PageDate
from steps.sandbox.client import Client
from steps.sandbox.clock import local_day, moment
from steps.sandbox.names import uuid_id
from steps.sandbox.story import Sheet

STATUS_NAMES = {
    "GRADUATED": "Graduated",
    "DROPPED": "Dropped",
    "SUSPENDED": "Suspended",
    "POSTPONED": "Early Postponed",
    "NOT_COMPLETING": "Not Completing",
}
PAGES_PER_CLIENT = 5


def write_pages(client: Client, seats: list[Enrollment]) -> list[Page]:
    """The client's pages; a second one with the same address was last edited earlier and says nothing."""
    page = client.story.page
    if page == "none":
        return []
    first = _blank(client, 0)
    if isinstance(page, Sheet):
        first = _filled(first, page.status, moment(client.begins + timedelta(days=page.after), 11, 7), page.dated)
    elif seats:
        first = _repeats(first, seats[-1])
    return [first, *(_blank(client, number) for number in range(1, client.story.pages))]


def _blank(client: Client, number: int) -> Page:
    return Page(
        id=uuid_id(client.seed, "page", client.index * PAGES_PER_CLIENT + number),
        name=client.name,
        email=client.email(client.story.page_email),
        created_at=moment(client.begins, 9 - number, client.index % 60),
    )


def _repeats(page: Page, seat: Enrollment) -> Page:
    """As the CRM has it; someone who is still there may have no status at all."""
    name = STATUS_NAMES.get(seat.educational_status or "")
    if name is None or seat.status_changed_at is None:
        return _filled(page, "Active" if seat.id % 3 else None, None, "no")
    dated = "certified" if seat.educational_status in {"GRADUATED", "NOT_COMPLETING"} else "drop"
    return _filled(page, name, seat.status_changed_at, dated)


def _filled(page: Page, status: str | None, at: datetime | None, dated: str) -> Page:
    if at is None:
        return replace(page, status=status)
    day = local_day(at)
    value = PageDate(day, at if dated == "moment" else None, day + timedelta(days=6) if dated == "range" else None)
    drop = value if dated in {"drop", "moment"} else None
    certified = value if dated in {"certified", "range"} else None
    return replace(page, status=status, drop_date=drop, certified_at=certified, status_set_at=at)
