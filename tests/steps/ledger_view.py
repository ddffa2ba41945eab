"""The ledger by natural keys, as a test wants to see it, and every row of it, to see that nothing was written."""

from typing import Any

from sqlalchemy import select
from sqlmodel import SQLModel

from steps.ledger.client import Client, ClientExternalId
from steps.ledger.contract import Invoice, ServiceContract
from steps.ledger.service import Service, ServicePeriod
from tracking.database import read_session
from tracking.models import IntegrationError

TABLES: tuple[type[SQLModel], ...] = (
    Service,
    Client,
    ClientExternalId,
    ServiceContract,
    Invoice,
    ServicePeriod,
    IntegrationError,
)


def rows(model: type[SQLModel]) -> list[dict[str, Any]]:
    """Every row of a table, all columns, by id."""
    with read_session() as session:
        found = session.execute(select(model)).scalars().all()
        return sorted((each.model_dump() for each in found), key=lambda row: int(row["id"]))


def whole_ledger() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, `updated_at` included; but how often an error was met, and when last, always moves."""
    ledger = {str(model.__tablename__): rows(model) for model in TABLES}
    for error in ledger["integration_error"]:
        del error["occurrences"], error["last_seen_at"]
    return ledger


class LedgerView:
    """What the tables hold at this moment."""

    def __init__(self) -> None:
        self._services = {row["id"]: row for row in rows(Service)}
        self._emails = {row["id"]: row["identifier"] for row in rows(Client)}
        self._contracts = {
            row["id"]: (self._emails[row["client_id"]], self._services[row["service_id"]]["external_id"])
            for row in rows(ServiceContract)
        }

    def services(self) -> dict[str, tuple[Any, ...]]:
        """Account -> number, name, description, type."""
        names = ("account_identifier", "name", "description", "service_type")
        return {row["external_id"]: tuple(row[name] for name in names) for row in self._services.values()}

    def clients(self) -> dict[str, str]:
        """Email -> name."""
        return {row["identifier"]: row["name"] for row in rows(Client)}

    def links(self, system: str) -> dict[str, str]:
        """External id -> email."""
        found = [row for row in rows(ClientExternalId) if row["system"] == system]
        return {row["external_id"]: self._emails[row["client_id"]] for row in found}

    def pages(self) -> dict[str, tuple[str, str | None, Any]]:
        """Email -> page id, status and its date."""
        return {
            self._emails[row["client_id"]]: (
                row["external_id"],
                row["educational_status"],
                row["educational_status_date"],
            )
            for row in rows(ClientExternalId)
            if row["system"] == "notion"
        }

    def contracts(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        """(Email, account) -> date, amount, currency, status."""
        names = ("contract_date", "contract_amount", "contract_currency", "status")
        return {self._contracts[row["id"]]: tuple(row[name] for name in names) for row in rows(ServiceContract)}

    def invoices(self) -> dict[str, tuple[Any, ...]]:
        """Document id -> kind, email, contract, and the other columns in their order."""
        names = (
            "source_external_id",
            "invoice_number",
            "invoice_date",
            "due_date",
            "total_amount",
            "net_amount",
            "currency",
            "status",
            "voided_at",
        )
        return {
            row["external_id"]: (
                row["kind"],
                self._emails.get(row["client_id"]),
                self._contracts.get(row["service_contract_id"]),
                *(row[name] for name in names),
            )
            for row in rows(Invoice)
        }

    def periods(self) -> dict[tuple[str, str, str], tuple[Any, ...]]:
        """(Email, account, slug) -> name, start, end, status, date of the status; of those that are not void."""
        names = ("name", "start_date", "end_date", "status", "status_change_date")
        return {
            (*self._contracts[row["contract_id"]], row["external_id"]): tuple(row[name] for name in names)
            for row in rows(ServicePeriod)
            if row["voided_at"] is None
        }

    def errors(self, *statuses: str) -> set[tuple[str, str]]:
        """Entity type and id of each error, of these statuses only (`pending` if none is named)."""
        wanted = statuses or ("pending",)
        return {
            (row["entity_type"], row["entity_external_id"]) for row in rows(IntegrationError) if row["status"] in wanted
        }
