"""Step `notion-external-id`: Notion pages -> the page id, educational status and its date of each client.

The whole database is read (one request per hundred pages): that also solves letter case and several pages with one
email, which a filter by email would not (docs/vendors.md, Notion pages).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sqlmodel import Session

from steps.catalog import NOTION_EXTERNAL_ID, Step
from steps.context import Scope, StepContext, StepReport, applying
from steps.ledger.client import PageCard, lost_pages, match_pages, notion_links, store_pages
from steps.ledger.missing_upstream import guard_against_mass_deletion
from steps.ledger.service import educational_status_date, normalize_educational_status
from steps.results import ImportResult
from steps.task import step_task
from steps.vendors.notion import StudentPage
from steps.vendors.parsing import Listing


class NotionExternalIdsResult(ImportResult):
    """Received are the pages outside the trash; skipped are those without an email and those that are nobody's."""

    step: ClassVar[Step] = NOTION_EXTERNAL_ID


@step_task(NOTION_EXTERNAL_ID)
def sync_notion_external_ids(context: StepContext) -> NotionExternalIdsResult:
    """Import page IDs from Notion clients."""
    listing = context.reads.pages()
    report = StepReport(NotionExternalIdsResult(), context)
    with applying(report) as session:
        apply_pages(session, listing, report)
    return report.result


def apply_pages(session: Session, listing: Listing[StudentPage], report: StepReport[NotionExternalIdsResult]) -> None:
    """Link clients with their pages. A scope means the clients of its pages: which page is theirs depends on all.

    Raises:
        SuspiciousEmptyError: the database lost most of the pages that are linked.
    """
    context, links = report.context, notion_links(session)
    listed: dict[str, Callable[[], Any]] = {error.external_id: dict for error in listing.rejected}  # it has its own
    listed |= {page.id: page.as_read for page in listing.records}
    if not context.settings.accept_loss:
        gone = links.keys() - listed.keys()
        guard_against_mass_deletion("notion", "query of the database", known=links.keys(), gone=gone)
    matched = match_pages(session, [card for page in listing.records if (card := _card(page)) is not None])
    chosen = _meant(matched.chosen, listing, links, context.scope)
    report.result.created, report.result.updated = store_pages(session, chosen, links)
    report.read_whole("page")
    report.checked("page", listed)
    report.reject([*listing.rejected, *matched.doubles])
    report.report_gone(lost_pages(links, matched.chosen, listed))
    at_hand = context.scope.narrow(listing, lambda page: context.scope.concerns("page", page.id))
    used = {page.id for page in matched.chosen.values()}
    report.count(at_hand, lambda page: [("page", page.id)], lambda page: page.id not in used)


def _meant(
    chosen: Mapping[int, PageCard], listing: Listing[StudentPage], links: Mapping[str, int], scope: Scope
) -> dict[int, PageCard]:
    """The clients that the scope's pages are linked with, or have the email of."""
    emails = {page.email for page in listing.records if scope.concerns("page", page.id)}
    linked = {client_id for page_id, client_id in links.items() if scope.concerns("page", page_id)}
    return {client_id: page for client_id, page in chosen.items() if client_id in linked or page.email in emails}


def _card(page: StudentPage) -> PageCard | None:
    """What counts of a page; nothing if it has no usable email."""
    if page.email is None:
        return None
    status = normalize_educational_status(page.educational_status)
    when = educational_status_date(status, dropped_on=page.drop_date, certified_on=page.certified_at)
    return PageCard(page.id, page.email, page.last_edited_time, status, when, page.as_read)
