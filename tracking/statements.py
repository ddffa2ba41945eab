"""The updates that every execution goes through, built once: building one anew costs more than SQLite takes to do it.

Each is conditional, so that an ended row stays as it ended. Parameters have an underscore behind their name.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    Integer,
    String,
    Table,
    Update,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal_column,
    or_,
    true,
    update,
)
from sqlmodel import SQLModel

from tracking.columns import UtcDateTime, utc_now
from tracking.execution import OPEN_STATUSES, ExecutionStatus, SyncExecution
from tracking.redaction import redact_json

_ROW: Table = SQLModel.metadata.tables[str(SyncExecution.__tablename__)]
_OPEN = or_(*(_ROW.c.status == literal_column(f"'{status}'") for status in OPEN_STATUSES))
_HOLDS = and_(_ROW.c.status == literal_column(f"'{ExecutionStatus.RUNNING}'"), _ROW.c.holds_window)
_THIS = _ROW.c.id == bindparam("id_")
_NOW = bindparam("now_", type_=UtcDateTime())


def change(connection: Connection, name: str, **parameters: Any) -> bool:
    """Carry one of the statements out. Whether it met a row."""
    statement = _statements(connection.dialect.name)[name]
    return connection.execute(statement, {"now_": utc_now(), **parameters}).rowcount > 0


def as_parameter(result: Mapping[str, Any]) -> str:
    """A step's result as the statements take it, without secrets."""
    return json.dumps(redact_json(result))


@cache
def _statements(dialect: str) -> dict[str, Update]:
    """By name.

    `alive_at` is by the clock that all machines share: PostgreSQL's, or that of SQLite's one machine.
    """
    alive_now = func.clock_timestamp() if dialect == "postgresql" else _NOW
    running = str(ExecutionStatus.RUNNING)
    start = (
        update(_ROW)
        .where(_THIS, _OPEN)
        .values(
            task_run_id=bindparam("task_run_id_"),
            owner=bindparam("owner_"),
            alive_at=alive_now,
            status=running,
            started_at=func.coalesce(_ROW.c.started_at, _NOW),
            metadata=_with_attempts(dialect),
            updated_at=_NOW,
        )
    )
    keep_result = update(_ROW).where(_THIS).values(metadata=_with_result(dialect))
    return {
        "start": start,
        "start and claim": start.values(holds_window=true()),
        "claim": update(_ROW).where(_THIS, _OPEN).values(status=running, holds_window=true()),
        "prove": update(_ROW).where(_THIS, _HOLDS).values(alive_at=alive_now),
        "keep result": keep_result,
        "keep result and prove": keep_result.where(_HOLDS).values(alive_at=alive_now),
        "complete": update(_ROW)
        .where(_ROW.c.task_run_id == bindparam("task_run_id_"), _OPEN)
        .values(
            status=str(ExecutionStatus.COMPLETED),
            completed_at=_NOW,
            updated_at=_NOW,
            holds_window=false(),
            metadata=_with_result(dialect),
        ),
        "touch": update(_ROW).where(_ROW.c.flow_run_id == bindparam("flow_run_id_"), _OPEN).values(alive_at=alive_now),
    }


def _with_attempts(dialect: str) -> Any:
    """`metadata` with the attempts; a result stays: an interrupted task's start is told again after its commit."""
    attempts = bindparam("attempts_", type_=Integer())
    if dialect == "sqlite":
        return func.json_set(_ROW.c.metadata, "$.attempts", attempts, type_=JSON())
    result = func.json_extract_path(_ROW.c.metadata, "result", type_=JSON())
    return case(
        (result.is_(None), func.json_build_object("attempts", attempts, type_=JSON())),
        else_=func.json_build_object("attempts", attempts, "result", result, type_=JSON()),
    )


def _with_result(dialect: str) -> Any:
    """`metadata` with a result and the attempts it has, made by the database; keys stay in their order."""
    result = bindparam("result_", type_=String())
    if dialect == "sqlite":
        return func.json_set(_ROW.c.metadata, "$.result", func.json(result), type_=JSON())
    return func.json_build_object("attempts", _ROW.c.metadata["attempts"], "result", cast(result, JSON), type_=JSON())
