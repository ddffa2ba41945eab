"""Who a contract is with and what it is about, as every report names it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col

from steps.domain.client import Client
from steps.domain.contract import ServiceContract
from steps.domain.rows import select_in
from steps.domain.service import Service


@dataclass(frozen=True, slots=True, order=True)
class ContractName:
    """Sorts as people look things up: by client, then contract."""

    client: str
    email: str
    id: int
    service: str
    currency: str


def contract_names(session: Session, contract_ids: Iterable[int]) -> dict[int, ContractName]:
    """The names of these contracts, by id; the number of queries grows by one for each 500."""
    columns: tuple[Any, ...] = (
        col(ServiceContract.id).label("id"),
        col(ServiceContract.contract_currency).label("currency"),
        col(Client.name).label("client"),
        col(Client.identifier).label("email"),
        col(Service.name).label("service"),
    )
    joined = Client.id == ServiceContract.client_id, Service.id == ServiceContract.service_id
    rows = select_in(session, columns, ServiceContract.id, contract_ids, *joined)
    return {row["id"]: ContractName(**row) for row in rows}
