"""An academy behind the proxy, imported by the program; the ledger as it is, and what belongs to whom."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from steps.ledger.client import normalize_email
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.months import MonthWindow
from steps.vendors import fourgeeks
from tests.fuzz.proxy import Damage, Key, Kind, MutatingProxy
from tests.kept_database import KeptDatabase
from tests.steps.calls import (
    one_run,
    sync_crm_clients,
    sync_invoices,
    sync_notion_external_ids,
    sync_service_periods,
    sync_services,
)
from tests.steps.ledger_view import LedgerView, rows
from tracking.database import dispose_engines
from tracking.models import IntegrationError

YEAR = MonthWindow(date(2024, 1, 1), date(2025, 1, 1))
HALVES = MonthWindow(YEAR.start, date(2024, 7, 1)), MonthWindow(date(2024, 7, 1), YEAR.end)
"""Two windows: of each list the step takes its part twice."""
STEPS: tuple[tuple[str, tuple[Kind, ...], Callable[..., dict[str, Any]], bool], ...] = (
    ("services", ("service",), sync_services, False),
    ("invoices", ("invoice", "credit_note"), sync_invoices, True),
    ("students", ("student",), sync_crm_clients, True),
    ("periods", ("enrollment",), sync_service_periods, True),
    ("pages", ("page",), sync_notion_external_ids, False),
)
"""What a step counts, which lists it reads, and whether it works by window."""


class Ledger:
    """The ledger at one moment, by natural keys."""

    def __init__(self) -> None:
        view = LedgerView()
        self.clients, self.pages, self.contracts = view.clients(), view.pages(), view.contracts()
        self.links = {system: view.links(system) for system in ("holded", "fourgeeks", "notion")}
        self.documents = view.invoices()
        self.periods = {
            key: (name, start, end, status, changed and min(changed, end))
            for key, (name, start, end, status, changed) in view.periods().items()
        }
        """As they count: the day of a status that came after the end says no more than the end."""
        self.counted = {row["external_id"]: row for row in rows(Invoice) if row["voided_at"] is None}
        """The documents that are not void, by id."""
        self.contract_rows = rows(ServiceContract)
        self.pending = {
            (row["entity_type"], row["entity_external_id"]): row
            for row in rows(IntegrationError)
            if row["status"] == "pending"
        }
        """The errors that wait for somebody, by type and id."""

    def of_client(self, email: str) -> dict[str, Any]:
        """All that the ledger says of a client."""
        return {
            "name": self.clients.get(email),
            "links": {system: _of(email, links) for system, links in self.links.items()},
            "page": self.pages.get(email),
            "contracts": {key: each for key, each in self.contracts.items() if key[0] == email},
            "documents": {key: each for key, each in self.documents.items() if each[1] == email},
            "periods": {key: each for key, each in self.periods.items() if key[0] == email},
        }


def _of(email: str, links: Mapping[str, str]) -> set[str]:
    return {external_id for external_id, owner in links.items() if owner == email}


class Academy:
    """The program, a proxy and what the ledger holds when nothing is damaged."""

    def __init__(self, proxy: MutatingProxy, empty: Path, kept: KeptDatabase, folder: Path) -> None:
        self.proxy, self._empty, self._kept = proxy, empty, kept
        self.begin(known=False)
        proxy.damage({})
        self.clean_counts = self.import_all()
        self.clean = Ledger()
        dispose_engines()
        self._imported = Path(shutil.copy(kept.file, folder / "imported.db"))
        self.keys = list(proxy.originals)
        self.owners = self._read_owners()

    def begin(self, *, known: bool) -> None:
        """Let the ledger be empty, or as an import of undamaged records left it."""
        self._kept.begin(self._imported if known else self._empty)
        fourgeeks._tokens.clear()

    def import_all(self) -> dict[str, Counter[str]]:
        """The counts of each step, added up over its windows, and how many windows it had."""
        totals: dict[str, Counter[str]] = defaultdict(Counter)
        with one_run(YEAR):
            for entity, _, step, by_window in STEPS:
                for window in [(half,) for half in HALVES] if by_window else [()]:
                    totals[entity].update(step(*window))
        return totals

    def touched(self, damages: Mapping[Key, Damage]) -> set[str]:
        """The clients whose records are damaged, or copied onto others."""
        keys: set[Key] = set(damages)
        for key, damage in damages.items():
            if damage.change == "neighbour":
                of_kind = [each for each in self.keys if each[0] == key[0]]
                keys.add(of_kind[of_kind.index(key) - 1])
        return {email for key in keys for email in self.owners[key]}

    def _read_owners(self) -> dict[Key, set[str]]:
        """The clients that have to do with each record."""
        owners: dict[Key, set[str | None]] = {}
        holded, crm, documents = self.clean.links["holded"], self.clean.links["fourgeeks"], self.clean.documents
        by_account: dict[str, set[str | None]] = defaultdict(set)
        for key, row in self.proxy.originals.items():
            kind, external_id = key
            if kind in ("invoice", "credit_note"):
                email = documents[external_id][1] if external_id in documents else holded.get(row["contact"])
                owners[key] = {email}
                for line in row["products"]:
                    by_account[line.get("account") or ""].add(email)
            elif kind == "contact":
                owners[key] = {holded.get(external_id), normalize_email(row["email"])}
            elif kind == "page":
                owners[key] = {normalize_email(row["properties"]["Email"].get("email"))}
            elif kind != "service":
                user = row["user"] or {}
                email = normalize_email(user.get("email") or row.get("email"))
                owners[key] = {crm.get(str(user.get("id"))), email}
        owners |= {key: by_account[key[1]] for key in self.keys if key[0] == "service"}
        return {key: {email for email in of if email in self.clean.clients} for key, of in owners.items()}
