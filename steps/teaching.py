"""How much a service teaches, and when, as a person says (docs/accrual-rules.md, Counting sessions).

Months that are accrued later go by it; what is posted stays.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from steps.closing import Signature
from steps.errors import UsageError
from steps.ledger.service import Service, ServiceChange
from tracking.database import write_session

FIELDS = ("total_sessions", "sessions_per_week", "class_weekdays")
_COLUMNS = ("service", *FIELDS)
_MOST = {"total_sessions": 10_000, "sessions_per_week": 100}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class AskedTeaching:
    """What somebody wants of one service; a field that is not there stays as it is."""

    where: str
    """For the messages, such as `line 2`."""
    service: str | int
    """Its `external_id`, its account number or, as a number, its id."""
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaughtOtherwise:
    """One service, before and after."""

    service_id: int
    service: str
    before: dict[str, Any]
    after: dict[str, Any]


def read_teaching(text: str) -> list[AskedTeaching]:
    """The lines of a CSV with the columns `service` and any of `FIELDS`; commas or semicolons.

    Raises:
        UsageError: a column or a value is not what it should be; the line is named.
    """
    text = text.removeprefix("\ufeff")
    semicolons = text.partition("\n")[0].count(";") > 0
    rows = csv.DictReader(StringIO(text), delimiter=";" if semicolons else ",", skipinitialspace=True)
    header = [name.strip().lower() for name in rows.fieldnames or ()]
    if set(header) <= {"service"} or not {"service"} <= set(header) <= set(_COLUMNS) or len(set(header)) < len(header):
        what = f"service and any of {','.join(FIELDS)} are expected"
        raise UsageError(f"the header is {','.join(header) or 'empty'}: {what}")
    rows.fieldnames = header
    return [_read_line(f"line {rows.line_num}", row) for row in rows]


def _read_line(where: str, row: dict[Any, Any]) -> AskedTeaching:
    if None in row or None in row.values():
        raise UsageError(f"{where} has more or fewer cells than the header")
    cells = {name: value.strip() for name, value in row.items()}
    values = {name: _read_cell(where, name, cells[name]) for name in FIELDS if cells.get(name)}
    return AskedTeaching(where, cells["service"], values)


def _read_cell(where: str, name: str, text: str) -> Any:
    if name != "class_weekdays":
        return int(text) if text.isdecimal() else text
    if text == _UNKNOWN:
        return None
    days = text.lower().replace(",", " ").split()
    if not all(day[:3] in _DAYS or day in "0123456" for day in days):
        raise UsageError(f"{where}: class_weekdays {text!r}: days such as Mon Wed, or 0 2, are expected, or {_UNKNOWN}")
    return [_DAYS.index(day[:3]) if day[:3] in _DAYS else int(day) for day in days]


def set_teaching(asked: Sequence[AskedTeaching], by: Signature, *, preview: bool = False) -> list[TaughtOtherwise]:
    """Change services all together or not at all; returns those that are another now, or would be.

    Raises:
        UsageError: no reason, a service that is not there or twice, or a value that cannot be; each is named.
    """
    if not preview and not by.reason.strip():
        raise UsageError("a change of what is taught needs a reason: it stays in the books")
    with write_session() as session:
        services = list(session.scalars(select(Service).order_by(col(Service.id))))
        found = [(each, _find(services, each)) for each in asked]
        faults = [fault for each, service in found for fault in _faults(each, service)]
        named = Counter(service.external_id for _, service in found if service is not None)
        faults += [f"{name} is there twice" for name, times in sorted(named.items()) if times > 1]
        if faults:
            raise UsageError(f"nothing is changed: {'; '.join(faults)}")
        changes = [(service, change) for each, service in found if service and (change := _change(service, each))]
        for service, change in () if preview else changes:
            for name, value in change.after.items():
                setattr(service, name, value)
            _note(session, change, by)
        return [change for _, change in changes]


def _find(services: Iterable[Service], asked: AskedTeaching) -> Service | None:
    """The one that is meant; None: none is, or several are."""
    if isinstance(asked.service, int):
        meant = [each for each in services if each.id == asked.service]
    else:
        meant = [each for each in services if asked.service in (each.external_id, each.account_identifier)]
    return meant[0] if len(meant) == 1 else None


def _faults(asked: AskedTeaching, service: Service | None) -> Iterator[str]:
    if service is None:
        yield f"{asked.where}: {asked.service!r} is not one service: an id or account number of `sync-actions services`"
    for name, value in asked.values.items():
        if name == "class_weekdays":
            if value is not None and (not value or len(set(value)) < len(value) or not set(value) <= set(range(7))):
                yield f"{asked.where}: class_weekdays {value}: different days from 0 (Monday) to 6 are expected"
        elif not isinstance(value, int) or not 1 <= value <= _MOST[name]:
            yield f"{asked.where}: {name} {value!r}: a number from 1 to {_MOST[name]} is expected"


def _change(service: Service, asked: AskedTeaching) -> TaughtOtherwise | None:
    wanted = {name: sorted(value) if isinstance(value, list) else value for name, value in asked.values.items()}
    after = {name: value for name, value in wanted.items() if value != getattr(service, name)}
    before = {name: getattr(service, name) for name in after}
    return TaughtOtherwise(service.id or 0, service.name, before, after) if after else None


def _note(session: Session, change: TaughtOtherwise, by: Signature) -> None:
    row = ServiceChange(service_id=change.service_id, who=by.who, reason=by.reason.strip())
    row.before, row.after = change.before, change.after
    session.add(row)


def list_services(session: Session) -> list[dict[str, Any]]:
    """Every service with what it teaches, and who changed it and why, the newest change first."""
    trail: dict[int, list[dict[str, Any]]] = {}
    for each in session.scalars(select(ServiceChange).order_by(col(ServiceChange.id).desc())):
        shown = {"who": each.who, "at": each.at.isoformat(), "reason": each.reason}
        trail.setdefault(each.service_id, []).append(shown | {"before": each.before, "after": each.after})
    names = ("id", "external_id", "account_identifier", "name", "service_type", *FIELDS)
    return [
        {name: getattr(service, name) for name in names} | {"changes": trail.get(service.id or 0, [])}
        for service in session.scalars(select(Service).order_by(col(Service.name), col(Service.id)))
    ]
