"""What the ledger must hold after a year was imported, worked out from the world itself.

A second reading of docs/vendors.md, How records are matched: it imports nothing of the steps' own matching.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from steps.sandbox.records import Account, Contact, Document, Enrollment, Page, World, local_day

ContractKey = tuple[str, str]
"""Client email and income account."""

ACADEMY = 6
STATUS = {
    "ACTIVE": "ACTIVE",
    "POSTPONED": "POSTPONED",
    "DROPPED": "DROPPED",
    "SUSPENDED": "DROPPED",
    "GRADUATED": "ENDED",
    "NOT_COMPLETING": "ENDED",
}
DROPPED = {"DROPPED", "EARLY_DROPPED", "SUSPENDED"}
ENDED = {"GRADUATED", "NOT_COMPLETING", "ENDED"}
NAMES = (
    ("FS", r"full.?stack|\bisa\b"),
    ("DS", "data.?science|machine.?learning"),
    ("CS", "c[yi]ber"),
    ("AIE", "ai eng"),
)
SLUGS = (("FS", "-(fs|full-stack)-"), ("AIE", "-(aie|ai-engineering)-"), ("DS", "-(ds|ml|ai|data-science)-"))
CYBER = (("CS", "-(cs|cybersecurity|ciberseguridad)-"),)


def kind_of(text: str, patterns: tuple[tuple[str, str], ...]) -> str:
    return next((kind for kind, pattern in patterns if re.search(pattern, text.lower())), "UNKNOWN")


def address(typed: str | None) -> str | None:
    return (typed or "").strip().lower() or None


@dataclass(frozen=True)
class Expected:
    """The ledger by natural keys; `year` bounds the documents."""

    world: World
    year: int

    @cached_property
    def documents(self) -> list[Document]:
        """Those a reader can read; of an id used twice the first."""
        readable = [each for each in self.world.invoices + self.world.credit_notes if set(each.raw) <= {"contact"}]
        first = {each.id: each for each in reversed(readable) if each.date.year == self.year}
        return sorted(first.values(), key=lambda each: (each.date, each.id))

    @cached_property
    def accounts(self) -> dict[str, Account]:
        """The services: those of the list, and deleted ones that a document names."""
        named = {line.account_id for each in self.documents for line in each.lines}
        fitting = [each for each in self.world.accounts if str(each.number).startswith("7050")]
        return {each.id: each for each in fitting if not each.archived or each.id in named}

    def services(self) -> dict[str, tuple[Any, ...]]:
        """Account -> number, name, description, type."""
        return {
            each.id: (str(each.number), each.name, each.description or "", kind_of(each.name, NAMES))
            for each in self.accounts.values()
        }

    @cached_property
    def contacts(self) -> dict[str, Contact]:
        """Those that documents name and an email can be found for."""
        named = {each.contact_id for each in self.documents if not each.raw}
        return {
            each.id: each
            for each in self.world.contacts
            if each.id in named and not each.raw and each.found_by_id and address(each.email)
        }

    def contact_links(self) -> dict[str, str]:
        """Contact id -> email."""
        return {each.id: address(each.email) or "" for each in self.contacts.values()}

    def clients(self) -> dict[str, str]:
        """Email -> name: that of the listed contact with the smallest id."""
        ordered = sorted(self.contacts.values(), key=lambda each: (not each.listed, each.id), reverse=True)
        return {address(each.email) or "": each.name for each in ordered}

    def email(self, document: Document) -> str | None:
        """Of the document's client."""
        contact = None if document.raw else self.contacts.get(document.contact_id)
        return address(contact.email) if contact else None

    def own_contract(self, document: Document) -> ContractKey | None:
        """By client and first service line."""
        email = self.email(document)
        account = next((line.account_id for line in document.lines if line.account_id in self.accounts), None)
        return (email, account) if email and account else None

    @cached_property
    def placed(self) -> dict[str, ContractKey | None]:
        """The contract of each document; invoices before the credit notes that follow them."""
        places: dict[str, ContractKey | None] = {}
        currency: dict[ContractKey, str] = {}
        for each in sorted(self.documents, key=lambda each: each.kind == "creditnote"):
            key = places[each.source_invoice_id] if each.source_invoice_id in places else self.own_contract(each)
            fits = key is not None and currency.setdefault(key, each.currency) == each.currency
            places[each.id] = key if fits else None
        return places

    def invoices(self) -> dict[str, tuple[Any, ...]]:
        """As `LedgerView.invoices`."""
        return {
            each.id: (
                "credit_note" if each.kind == "creditnote" else "invoice",
                self.email(each),
                self.placed[each.id],
                each.source_invoice_id,
                each.number or None,
                each.date,
                each.due_on,
                each.signed_total,
                each.signed_net,
                each.currency.upper(),
                str(each.status),
                None,
            )
            for each in self.documents
        }

    @cached_property
    def contracts(self) -> dict[ContractKey, tuple[date, Decimal, str, str]]:
        """As `LedgerView.contracts`."""
        documents: dict[ContractKey, list[Document]] = defaultdict(list)
        for each in self.documents:
            if key := self.placed[each.id]:
                documents[key].append(each)
        return {
            key: (mine[0].date, sum((each.signed_net for each in mine), Decimal(0)), mine[0].currency.upper(), "ACTIVE")
            for key, mine in documents.items()
        }

    def crm_links(self) -> dict[str, str]:
        """User id -> email."""
        users = [each.user for each in self.world.students if each.academy_id == ACADEMY and each.role == "student"]
        return {
            str(user.id): email for user in users if user and (email := address(user.email)) and email in self.clients()
        }

    def courses(self) -> Iterator[tuple[Enrollment, str]]:
        """Enrollments of clients that are courses of their own."""
        for each in self.world.enrollments:
            email = address(each.user.email) or ""
            slug = each.cohort.slug or ""
            ignored = slug == "yomequedoencasa" or slug.endswith("-pt-general")
            ours = each.role == "STUDENT" and each.cohort.academy_id == ACADEMY and not each.raw
            ours = ours and each.macro_cohort is None and (each.user.id, each.cohort.id) not in self.parts
            if ours and email in self.clients() and slug and each.cohort.ending_at and not ignored:
                yield each, email

    @cached_property
    def parts(self) -> set[tuple[int, int]]:
        """User and micro cohort, of each enrollment in a macro cohort."""
        return {(each.user.id, part.id) for each in self.world.enrollments for part in each.cohort.micro_cohorts}

    def contract_of(self, enrollment: Enrollment, email: str) -> ContractKey | None:
        """Of the same kind, the nearest to the kickoff."""
        kind = kind_of(f"-{enrollment.cohort.slug}-", SLUGS + CYBER)
        fitting = [key for key in self.contracts if key[0] == email and self.services()[key[1]][3] == kind]
        kickoff = local_day(enrollment.cohort.kickoff_at)
        return min(
            fitting, key=lambda key: (abs(self.contracts[key][0] - kickoff), self.contracts[key][0]), default=None
        )

    def periods(self) -> dict[tuple[str, str, str], tuple[Any, ...]]:
        """As `LedgerView.periods`."""
        found = {}
        for enrollment, email in self.courses():
            if (key := self.contract_of(enrollment, email)) and enrollment.cohort.slug and enrollment.cohort.ending_at:
                status = STATUS.get(enrollment.educational_status or "", "ACTIVE")
                end, changed = local_day(enrollment.cohort.ending_at), local_day(enrollment.updated_at)
                changed = min(changed, end) if status == "ENDED" else changed
                start = local_day(enrollment.cohort.kickoff_at)
                found[(*key, enrollment.cohort.slug)] = (enrollment.cohort.name, start, end, status, changed)
        return found

    @cached_property
    def pages_by_email(self) -> dict[str, list[Page]]:
        """The pages of clients."""
        found: dict[str, list[Page]] = defaultdict(list)
        for page in self.world.pages:
            email = address(page.email)
            if email in self.clients() and email and not page.in_trash and not page.raw:
                found[email].append(page)
        return found

    def pages(self) -> dict[str, tuple[str, str | None, date | None]]:
        """As `LedgerView.pages`."""
        return {email: self.page(pages) for email, pages in self.pages_by_email.items()}

    def page(self, pages: list[Page]) -> tuple[str, str | None, date | None]:
        """The one that was edited last, to the minute."""
        minute = timedelta(minutes=1)
        best = min(pages, key=lambda each: (-int(each.last_edited_at.timestamp() // minute.total_seconds()), each.id))
        status = best.status.upper().replace(" ", "_") if best.status else None
        dates = [best.drop_date, best.certified_at]
        chosen = dates if status in DROPPED else dates[::-1] if status in ENDED else []
        return best.id, status, next((each.start for each in chosen if each), None)

    def errors(self) -> set[tuple[str, str]]:
        """Entity type and id of each record in trouble, in a world that is not spoiled."""
        trouble = {("contact", each.contact_id) for each in self.documents if each.contact_id not in self.contacts}
        kinds = {"creditnote": "credit_note"}
        trouble |= {
            (kinds.get(each.kind, each.kind), each.id)
            for each in self.documents
            if self.own_contract(each) and not self.placed[each.id]
        }
        for enrollment, email in self.courses():
            if not self.contract_of(enrollment, email) or enrollment.educational_status not in STATUS:
                trouble.add(("enrollment", str(enrollment.id)))
        for pages in self.pages_by_email.values():
            trouble |= {("page", each.id) for each in pages if each.id != self.page(pages)[0]}
        return trouble
