"""The roll-forward by service, cohort, client or currency: a line for each over all months of a window.

By service the months that were closed are what was kept with them, as in the total, and what came late for them is told
by service. By cohort or client nothing was kept: what changed since a close is a line of its own, so that the lines add
up to the roll-forward.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col

from steps.ledger.accrual import ClosedMonth
from steps.ledger.client import Client
from steps.ledger.contract import ServiceContract
from steps.ledger.money import ZERO
from steps.ledger.months import MonthWindow, last_of_month, next_month
from steps.ledger.movements import Movement, Movements, read_movements_by
from steps.ledger.service import Service, ServicePeriod
from steps.reports.roll_forward import (
    MOVED,
    RollForward,
    RollForwardChain,
    RollForwardLine,
    chain,
    lines_from_json,
    lines_to_json,
    roll_forwards,
)
from steps.settings import SyncSettings

WITHOUT_COHORT = "no enrollment"
SINCE_THE_CLOSE = "changed since it was closed"
_SERVICES = "services"


class RollForwardBy(StrEnum):
    """What a roll-forward may be broken down by."""

    SERVICE = "service"
    COHORT = "cohort"
    CLIENT = "client"
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One currency of a service, cohort or client, over the window."""

    group: str
    line: RollForwardLine


@dataclass(frozen=True, slots=True)
class GroupedRollForward:
    """The lines in order of currency and group, and what they add up to."""

    window: MonthWindow
    by: RollForwardBy
    lines: tuple[GroupLine, ...]
    total: RollForwardChain

    @property
    def totals(self) -> tuple[RollForwardLine, ...]:
        """A line per currency, by the roll-forward."""
        return tuple(self.total.summary(currency) for currency in self.total.currencies)

    @property
    def ties_out(self) -> bool:
        """Whether each line does, and together they are the roll-forward, which ties out too."""
        sums = (self.rest(total).deferred_or_earned for total in self.totals)
        return self.total.ties_out and not any(each.line.difference for each in self.lines) and not any(sums)

    def rest(self, total: RollForwardLine) -> RollForwardLine:
        """What the lines lack of the total of their currency."""
        lines = [each.line for each in self.lines if each.line.currency == total.currency]
        lacking = {name: getattr(total, name) - sum((getattr(line, name) for line in lines), ZERO) for name in MOVED}
        return RollForwardLine(total.currency, **lacking)


def roll_forward_by(
    session: Session, window: MonthWindow, by: RollForwardBy, settings: SyncSettings
) -> GroupedRollForward:
    """The roll-forward of the window, broken down."""
    total = roll_forwards(session, window, settings)
    if by is RollForwardBy.SERVICE:
        services = service_chains(session, window, settings)
        chains = [
            (f"{service.account_identifier or service.external_id} {service.name}", each) for service, each in services
        ]
    elif by is RollForwardBy.CURRENCY:
        chains = [(currency, replace(total, months=_of(total, currency))) for currency in total.currencies]
    else:
        last = last_of_month(next_month(window.end, -1))
        column = col(ServiceContract.client_id if by is RollForwardBy.CLIENT else ServiceContract.id)
        named = _by_name(read_movements_by(session, last, settings, column), _names(session, by))
        chains = [(name, chain(movements, {}, window)) for name, movements in named.items()]
    lines = [GroupLine(name, each.summary(currency)) for name, each in chains for currency in each.currencies]
    lines = [each for each in lines if each.line.deferred_or_earned]
    report = GroupedRollForward(window, by, tuple(sorted(lines, key=_order)), total)
    if not session.scalar(select(ClosedMonth).where(col(ClosedMonth.month) < window.end).limit(1)):
        return report
    rests = [GroupLine(SINCE_THE_CLOSE, rest) for rest in map(report.rest, report.totals) if rest.deferred_or_earned]
    return replace(report, lines=(*report.lines, *rests))


def _order(line: GroupLine) -> tuple[str, str]:
    return line.line.currency, line.group


def _of(total: RollForwardChain, currency: str) -> tuple[RollForward, ...]:
    return tuple(replace(month, lines=(month.line(currency),)) for month in total.months)


def _by_name(found: Mapping[int | None, Movements], names: Mapping[int, str]) -> Mapping[str, Movements]:
    """Movements of groups with the same name added up; documents without a contract are in no group."""
    sums: dict[str, dict[tuple[date, str], Movement]] = defaultdict(lambda: defaultdict(Movement))
    for group, movements in found.items():
        if group is None:
            continue
        for key, each in movements.items():
            movement = sums[names.get(group, WITHOUT_COHORT)][key]
            for name in (amount.name for amount in fields(movement)):
                setattr(movement, name, getattr(movement, name) + getattr(each, name))
    return sums


def _names(session: Session, by: RollForwardBy) -> dict[int, str]:
    """Client -> name and email; contract -> cohort of its last period, that which ends last."""
    if by is RollForwardBy.CLIENT:
        clients = session.execute(select(col(Client.id), col(Client.name), col(Client.identifier)))
        return {client: f"{name} <{email}>" for client, name, email in clients}
    period: tuple[Mapped[Any], ...] = (
        col(ServicePeriod.contract_id),
        col(ServicePeriod.end_date),
        col(ServicePeriod.start_date),
        col(ServicePeriod.external_id),
    )
    return {contract: cohort for contract, *_, cohort in session.execute(select(*period).order_by(*period))}


def service_chains(
    session: Session, window: MonthWindow, settings: SyncSettings
) -> list[tuple[Service, RollForwardChain]]:
    """Each service's months, in order of account number, name and id; closed ones as they were kept."""
    last = last_of_month(next_month(window.end, -1))
    found = read_movements_by(session, last, settings, col(ServiceContract.service_id))
    closes = {row.month: row.roll_forward.get(_SERVICES) for row in session.scalars(select(ClosedMonth))}
    services = sorted(session.scalars(select(Service)), key=lambda each: (each.account_identifier or "", each.name))
    return [
        (service, chain(found.get(service.id, {}), _kept(closes, service.external_id), window)) for service in services
    ]


def _kept(closes: Mapping[date, Any], service: str) -> dict[date, RollForward | None]:
    return {
        month: None if kept is None else RollForward(month, closed=True, lines=lines_from_json(kept.get(service, ())))
        for month, kept in closes.items()
    }


def services_to_json(session: Session, month: date, settings: SyncSettings) -> dict[str, Any]:
    """What a close keeps besides its roll-forward: the lines of each service, by its external id."""
    chains = service_chains(session, MonthWindow.of(month), settings)
    return {_SERVICES: {service.external_id: lines_to_json(each.months[0].lines) for service, each in chains}}
