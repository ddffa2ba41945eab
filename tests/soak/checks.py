"""What must be true when the soak is over: each check is a line of the report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.kill_matrix.ledger_content import Content, ledger_content
from tests.soak.database import SoakDatabase, held_at_once
from tests.soak.installation import Installation
from tests.soak.plan import Happened
from tests.soak.readers import Answer

LONGEST_ANSWER_SECONDS = 10.0
"""Of our API, on a busy machine. What is awaited is a database's connection, 10 s at most."""
LONGEST_RUN_SECONDS = 600.0
_RECOVERY_SECONDS = 10.0
"""After a database or a server is back, an answer may still be one of the outage."""
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_TIMES_MET = {"integration_error": {"occurrences", "first_seen_at", "last_seen_at", "sync_execution_id"}}
"""How often a record was refused, and by which execution first: the soak imports a month more than once."""
_SHOWN = 5
_OK, _UNAVAILABLE = 200, 503


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    what: str
    holds: bool
    found: str


def _none_of(what: str, wrong: Sequence[str], good: str) -> Check:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Check(what, not wrong, "; ".join(wrong[:_SHOWN]) + more if wrong else good)


def check_rows(database: SoakDatabase) -> list[Check]:
    """What `sync_execution` says is true."""
    statuses: Counter[str] = Counter(dict(database.ask("SELECT status, count(*) FROM sync_execution GROUP BY status")))
    open_rows = _lines(database, "status NOT IN ('completed', 'failed')")
    untold = _lines(
        database,
        "(status = 'completed' AND metadata->'result' IS NULL)"
        " OR (status = 'failed' AND coalesce(error_message, '') = '')",
    )
    wrong = _lines(
        database,
        "completed_at IS NULL OR holds_window OR (status = 'failed' AND metadata->'result' IS NOT NULL)"
        " OR (status = 'completed' AND error_message IS NOT NULL)",
    )
    told = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    return [
        _none_of("no execution is open", open_rows, told),
        _none_of("a completed execution has its result, a failed one its reason", untold, "all"),
        _none_of("no ended execution holds a window or says two things", wrong, "none"),
        _none_of("no two executions had one month of a step at once", held_at_once(database), _holds(database)),
    ]


def _lines(database: SoakDatabase, condition: str) -> list[str]:
    rows = database.ask(f"SELECT id, step_name, window_start, status FROM sync_execution WHERE {condition} ORDER BY id")
    return [f"{number} {step} {window or ''} {status}" for number, step, window, status in rows]


def _holds(database: SoakDatabase) -> str:
    ((count,),) = database.ask("SELECT count(*) FROM soak.window_log WHERE holds")
    return f"{count} times one had one"


def check_ledger(database: SoakDatabase, months: int) -> list[Check]:
    """The ledger is that of an undisturbed run, and each row of it was written once."""
    contents: list[Content] = []
    for name in ("sync", "undisturbed"):
        engine = database.engine(name)
        contents.append(ledger_content(engine, besides=_TIMES_MET))
        engine.dispose()
    wrong = [
        f"{table}: {len(missing)} rows missing, {len(too_many)} too many, such as {_cut(missing)} and {_cut(too_many)}"
        for table in contents[1]
        if (missing := _less(contents[1][table], contents[0][table]))
        + (too_many := _less(contents[0][table], contents[1][table]))
    ]
    rows = sum(map(len, contents[0].values()))
    return [
        _none_of("the ledger equals that of an undisturbed import and accrual", wrong, f"{months} months, {rows} rows"),
        _written_once(database),
    ]


def _cut(rows: list[str]) -> str:
    return rows[0][:400] if rows else "none"


def _less(rows: Iterable[str], others: Iterable[str]) -> list[str]:
    return sorted((Counter(rows) - Counter(others)).elements())


def _written_once(database: SoakDatabase) -> Check:
    """What all executions together say they created is what there is."""
    wrong, told = [], []
    for step, field, table, amount in (
        ("services", "services_created", "service", "count(*)"),
        ("invoices", "invoices_created", "invoice", "count(*)"),
        ("service-periods", "periods_created", "service_period", "count(*)"),
        ("accruals", "amount_accrued", "accrued_period", "coalesce(sum(accrued_amount), 0)"),
    ):
        ((said,),) = database.ask(
            f"SELECT coalesce(sum((metadata->'result'->>'{field}')::numeric), 0) FROM sync_execution"
            f" WHERE step_name = '{step}' AND status = 'completed'"
        )
        ((there,),) = database.ask(f"SELECT {amount} FROM {table}")
        told.append(f"{field} {there}")
        if said != there:
            wrong.append(f"{field}: executions say {said}, the ledger has {there}")
    return _none_of(
        "every month was done once: what executions say they wrote is what there is", wrong, ", ".join(told)
    )


def check_prefect(installation: Installation, runs: Sequence[dict[str, Any]]) -> list[Check]:
    """Prefect says the same of each run as our rows."""
    rows = _statuses_of_runs(installation.database)
    ours = [run for run in runs if run["flow_name"] != "reconcile-executions"]
    states = Counter(f"{run['flow_name']} {run['state_type'].lower()}" for run in runs)
    differing = [
        f"{run['name']} ({run['id']}): Prefect says {run['state_type']} ({run['state']['message']}), we {said}"
        for run in ours
        if run["state_type"] not in _ENDED or not _agree(run["state"], said := rows.get(run["id"], []))
    ]
    unended = [f"{run['name']}: {run['state_type']}" for run in runs if run["state_type"] not in _ENDED]
    known = {run["id"] for run in ours}
    longest = max((float(run["total_run_time"]) for run in runs), default=0.0)
    return [
        _none_of("no run of Prefect is unended", unended, ", ".join(f"{n} {s}" for s, n in sorted(states.items()))),
        _none_of("Prefect and our rows say the same of each run", differing, f"{len(ours)} runs"),
        _none_of("no execution is of a run that Prefect does not know", sorted(rows.keys() - known), "none"),
        Check(
            f"no run took longer than {LONGEST_RUN_SECONDS:.0f} s",
            longest <= LONGEST_RUN_SECONDS,
            f"the longest {longest:.0f} s",
        ),
    ]


def _statuses_of_runs(database: SoakDatabase) -> dict[str, list[str]]:
    """Flow run -> the statuses of its last attempt's executions."""
    rows = database.ask(
        "SELECT flow_run_id, status FROM sync_execution e WHERE attempt ="
        " (SELECT max(attempt) FROM sync_execution l WHERE l.flow_run_id = e.flow_run_id) ORDER BY id"
    )
    found: dict[str, list[str]] = {}
    for run_id, status in rows:
        found.setdefault(run_id, []).append(status)
    return found


def _agree(state: dict[str, Any], statuses: list[str]) -> bool:
    """What Prefect calls completed did everything (nothing, where nothing was due); what it calls failed, not all."""
    if state["type"] == "COMPLETED":
        return set(statuses) == {"completed"} if statuses else state["message"] == "0 of 0 executions completed"
    if state["type"] == "FAILED":
        return not statuses or "failed" in statuses
    return True


def check_schedules(installation: Installation, runs: Sequence[dict[str, Any]]) -> Check:
    """After each start of the Prefect server its schedules went on firing."""
    fired = [
        (datetime.fromisoformat(run["expected_start_time"]).timestamp(), run["flow_name"])
        for run in runs
        if run["auto_scheduled"] and run["start_time"] is not None
    ]
    starts = installation.server.started_at
    silent = [
        f"{flow} after the start at {datetime.fromtimestamp(start):%H:%M:%S}"  # noqa: DTZ006 - for people, here
        for start in starts
        for flow in ("sync-import", "process-accruals", "reconcile-executions")
        if not any(at > start and name == flow for at, name in fired)
    ]
    found = f"{len(starts)} starts, {len(fired)} scheduled runs started"
    return _none_of("schedules went on firing after each start of the Prefect server", silent, found)


def check_answers(answers: Sequence[Answer], happened: Sequence[Happened], api_starts: Sequence[float]) -> list[Check]:
    """No answer of our API hung, and all were good while database and API were there."""
    outages = [(h.began, h.ended + _RECOVERY_SECONDS) for h in happened if h.planned.kind.touches & {"database", "api"}]
    outages += [(start - 1, start + 60) for start in api_starts]
    bad = [
        f"{answer.path}: {answer.status or 'no answer'} after {answer.seconds:.1f} s at {answer.asked:.0f}"
        for answer in answers
        if not any(answer.asked + answer.seconds >= began and answer.asked <= ended for began, ended in outages)
        and answer.status != _OK
    ]
    wrong = [f"{a.path}: {a.status} at {a.asked:.0f}" for a in answers if a.status not in {0, _OK, _UNAVAILABLE}]
    longest = max(answers, key=lambda answer: answer.seconds)
    statuses = Counter(answer.status or "no connection" for answer in answers)
    told = ", ".join(f"{count} x {status}" for status, count in statuses.most_common())
    return [
        Check(
            f"no answer of the API took longer than {LONGEST_ANSWER_SECONDS:.0f} s",
            longest.seconds <= LONGEST_ANSWER_SECONDS,
            f"{len(answers)} answers, the longest {longest.seconds:.1f} s ({longest.path})",
        ),
        _none_of("the API answered 200 whenever the database and itself were there", bad, told),
        _none_of("in an outage the API answered 503 or nothing", wrong, "no other status"),
    ]
