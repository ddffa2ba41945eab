"""As few requests as the vendors allow: a year of 500 clients against the floors of the vendor sheets.

The floors are calculated here from the world, as each sheet's last section says; nothing of the connectors is used.
"""

from collections import Counter
from math import ceil

import pytest

from steps.sandbox.records import World
from steps.sandbox.server import SandboxServer
from steps.sandbox.world import build_world
from tests.steps.year_import import import_year

pytestmark = pytest.mark.slow

ALLOWED = 1.10
HOLDED_PAGE, FOURGEEKS_PAGE, NOTION_PAGE = 500, 200, 100


def test_a_year_of_500_clients_asks_what_the_floors_say_whatever_its_windows(sandbox: SandboxServer) -> None:
    sandbox.world = build_world(clients=500)

    import_year()

    floors = request_floors(sandbox.world)
    asked = Counter(request.vendor for request in sandbox.requests)
    assert asked.total() <= ALLOWED * sum(floors.values()), (asked, floors)
    assert all(count <= floors[vendor] + 1 for vendor, count in asked.items()), (asked, floors)


def request_floors(world: World) -> dict[str, int]:
    """Requests that the sheets call the least: page ends that must be proved by an empty page are part of it."""
    in_year = [d for d in (*world.invoices, *world.credit_notes) if d.date.year == world.year]
    credit_notes = {id(d) for d in world.credit_notes}
    by_type = Counter(id(d) in credit_notes for d in in_year)
    documents = sum(_full_pages(by_type[kind], HOLDED_PAGE) for kind in (False, True))
    listed = sum(contact.listed for contact in world.contacts)
    unlisted_contacts = {d.contact_id for d in in_year} - {c.id for c in world.contacts if c.listed}
    unlisted_accounts = {line.account_id for d in in_year for line in d.lines if line.account_id} - {
        a.id for a in world.accounts if not a.archived
    }
    accounts = 2 + len(unlisted_accounts)
    contacts = ceil(listed / HOLDED_PAGE) + 1 + len(unlisted_contacts)
    login = 1
    students = max(1, ceil(len(world.students) / FOURGEEKS_PAGE))
    enrollments = max(1, ceil(len(world.enrollments) / FOURGEEKS_PAGE))
    pages = max(1, ceil(len(world.pages) / NOTION_PAGE))
    return {"holded": documents + accounts + contacts, "fourgeeks": login + students + enrollments, "notion": pages}


def _full_pages(records: int, page: int) -> int:
    """The last page is followed by an empty one: nothing else proves the end."""
    return ceil(records / page) + 1
