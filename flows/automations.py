"""Who is told of what: automations of a Prefect server that send a notification, in words for a bookkeeper.

`flows/prefect_setup.py` makes or updates them (docs/operations.md, Who is told). The texts are Jinja, which the server
fills in. One message for one thing: each trigger leaves out what another one tells.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from flows.events import ERRORS_RECORDED, MANY_ERRORS, MONTH_NOT_CLOSED
from flows.worker import WORK_POOL

SILENCE = timedelta(minutes=15)
"""After which a run counts as lost: five of Prefect's heartbeats. `reconcile-executions` ends a dead one earlier, and
that is told instead, where a worker is left to do it."""
LATE_AFTER = timedelta(minutes=10)
"""How late a run may be, and how long no worker online, before somebody is told."""
_A_DAY, _A_WEEK = timedelta(days=1), timedelta(days=7)
_RECONCILING = "reconcile-executions"
_RUNS = ["sync-import", "process-accruals", "execute-step", "retry-errors", "redo"]
_NO_PREVIEW = "!redo *, preview"
"""Name of a run: who asks what a redo would change looks at the answer, and nothing is done."""
_REFUSED = "*is not accrued, because its import is broken*"
"""State message of a run whose month the gate refused (docs/accrual-rules.md, Gate)."""
_WHY = "{{ flow_run.state.message or 'no reason was given' }}"
_KEPT = "What it had finished is in the books, whole months of a step; nothing is there by halves."
_AGAIN = "start the same run again: what is done already is not done twice."


@dataclass(frozen=True)
class Message:
    """One thing that somebody is told."""

    name: str
    when: str
    """For who looks at it in Prefect's UI, which cannot show most triggers in words."""
    trigger: EventTrigger
    subject: str
    what: str
    why: str
    to_do: str
    link: str
    """Path in Prefect's UI."""

    def automation(self, blocks: Collection[UUID], ui_url: str) -> AutomationCore:
        """As Prefect has it."""
        body = f"{self.what}\n\nWhy: {self.why}\n\nWhat to do: {self.to_do}\n\nSee {ui_url}{self.link}"
        return _automation(
            self.name,
            f"{self.when} Turn it off here, and it stays off.",
            self.trigger,
            [SendNotification(block_document_id=b, subject=self.subject, body=body) for b in blocks],
        )


def follow_up(declared: dict[str, Any], deployment_id: UUID) -> AutomationCore:
    """A deployment's trigger of `flows/prefect.yaml`, as `prefect deploy` would make it."""
    fields = {key: value for key, value in declared.items() if key not in {"name", "description", "parameters"}}
    run = RunDeployment(source="selected", deployment_id=deployment_id, parameters=declared["parameters"])
    automation = _automation(declared["name"], declared["description"], EventTrigger(**fields), [run])
    automation.owner_resource = f"prefect.deployment.{deployment_id}"
    return automation


def _automation(name: str, description: str, trigger: EventTrigger, actions: list[Any]) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=description,
        enabled=True,
        tags=["sync"],
        trigger=trigger,
        actions=actions,
        owner_resource=None,
    )


def _of_run(
    *states: str, flows: Collection[str] = tuple(_RUNS), message: str | None = None, **more: Any
) -> EventTrigger:
    """One of our runs enters one of these states, with a message of this pattern."""
    match = {"prefect.resource.id": "prefect.flow-run.*", "prefect.resource.name": _NO_PREVIEW}
    match |= {"prefect.state-message": message} if message else {}
    return EventTrigger(
        match=match,
        match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(flows)},
        for_each={"prefect.resource.id"} if "for_each" not in more else more.pop("for_each"),
        expect={f"prefect.flow-run.{state}" for state in states},
        **more,
    )


def messages() -> Iterator[Message]:
    """Each thing that somebody is told."""
    run, month = "/runs/flow-run/{{ flow_run.id }}", "{{ event.resource['prefect.resource.name'] }}"
    yield Message(
        "Sync: a run failed",
        "Told at once, whoever started the run.",
        _of_run("Failed", "TimedOut", message=f"!{_REFUSED}"),
        "Failed: {{ flow_run.name }}",
        f"The run “{{{{ flow_run.name }}}}” failed. {_KEPT}",
        _WHY,
        f"Put right what the reason names; if a vendor is down, wait. Then {_AGAIN}",
        run,
    )
    yield Message(
        "Sync: a month was refused by the accruals",
        "Told at once, instead of the failed run.",
        _of_run("Failed", message=_REFUSED),
        "Not accrued: {{ flow_run.name }}",
        "The run “{{ flow_run.name }}” posted nothing for the month that the reason names.",
        _WHY,
        "Import that month again (the reason has the command), then run its accruals again. Only if the books need the "
        "month although its import is broken: run the accruals with an override, whose reason is kept.",
        run,
    )
    yield Message(
        "Sync: a run broke off",
        "Told when Prefect calls a run Crashed: within about five minutes.",
        _of_run("Crashed"),
        "Broke off: {{ flow_run.name }}",
        f"The run “{{{{ flow_run.name }}}}” broke off: its program was killed, or its machine was lost. {_KEPT}",
        _WHY,
        f"See that a worker is there, then {_AGAIN}",
        run,
    )
    yield Message(
        "Sync: a run gives no sign of life",
        "Told when a run has not ended and sent nothing for 15 minutes.",
        _of_run(
            *("heartbeat", "Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "Suspended", "Paused"),
            after={"prefect.flow-run.heartbeat"},
            posture=Posture.Proactive,
            within=SILENCE,
        ),
        "No sign of life: {{ flow_run.name }}",
        "The run “{{ flow_run.name }}” has not ended, and nothing was heard of it for a quarter of an hour.",
        "The machine that does it may be off, asleep, or cut off from the Prefect server.",
        f"Look after that machine. If the run is dead, `sync-actions reconcile` ends it; then {_AGAIN}",
        run,
    )
    yield Message(
        "Sync: a run is late",
        "Told when a run has not begun 10 minutes after its time.",
        _of_run(
            *("Pending", "Running", "AwaitingConcurrencySlot", "Scheduled", "Completed", "Failed", "Crashed"),
            *("Cancelling", "Cancelled"),
            after={"prefect.flow-run.Late"},
            posture=Posture.Proactive,
            within=LATE_AFTER,
        ),
        "Late: {{ flow_run.name }}",
        "The run “{{ flow_run.name }}” of {{ flow.name }} was to start at "
        "{{ flow_run.expected_start_time.strftime('%Y-%m-%d %H:%M') }} UTC and has not begun.",
        "No worker takes it: none is there, or all are busy.",
        "Start a worker (`prefect worker start --pool sync`): it takes the run, which still works on the month it was "
        "meant for. `sync-actions doctor` says what else is in the way.",
        run,
    )
    yield Message(
        "Sync: no worker is online",
        "Told 10 minutes after the last worker went away.",
        EventTrigger(
            match={"prefect.resource.id": "prefect.work-pool.*", "prefect.resource.name": WORK_POOL},
            for_each={"prefect.resource.id"},
            after={"prefect.work-pool.not-ready"},
            expect={"prefect.work-pool.ready"},
            posture=Posture.Proactive,
            within=LATE_AFTER,
        ),
        "Nobody does the runs",
        f"No worker of the work pool {WORK_POOL} has been online for ten minutes: no import and no accruals can begin.",
        "The machine of the worker is off, or the worker ended.",
        f"Start it again: `prefect worker start --pool {WORK_POOL}`. What was missed meanwhile then begins by itself.",
        f"/work-pools/work-pool/{WORK_POOL}",
    )
    yield Message(
        "Sync: many records are in trouble",
        "Told once a run, above SYNC_NOTIFY_ERRORS records of a step and month.",
        EventTrigger(
            match={"prefect.resource.id": "sync.step.*", MANY_ERRORS: "true"},
            for_each={"related:flow-run:prefect.resource.id"},
            expect={ERRORS_RECORDED},
            within=_A_DAY,  # a run over many months has one cause, and is one message
        ),
        "{{ event.payload.errors }} records in trouble: {{ event.payload.step }} {{ event.payload.month }}",
        "{{ event.payload.errors }} records of {{ event.payload.step }} {{ event.payload.month }} could not be applied "
        "by the run “{{ flow_run.name }}”; all others were. Further steps and months of it may have some too.",
        "Each has its own reason; so many often have one cause.",
        "See them with `sync-actions errors`, or on the page, To do. Repair the cause at the vendor, then "
        "`sync-actions errors retry`; ignore those that are right as they are.",
        run,
    )
    yield Message(
        "Sync: a month is not closed",
        "Told once a week, from the day SYNC_CLOSE_DAY of the next month on.",
        EventTrigger(
            match={"prefect.resource.id": "sync.month.*"},
            for_each={"prefect.resource.id"},
            expect={MONTH_NOT_CLOSED},
            within=_A_WEEK,
        ),
        f"Not closed: {month}",
        f"The month {month} is still open, and day {{{{ event.payload.close_day }}}} of the next one has come.",
        "Nobody closed it, or something is in the way.",
        f"`sync-actions close {month}` closes it or says what is in the way; so does the page, Months. "
        "Until then this comes once a week.",
        "/events",
    )
    yield Message(
        "Sync: the check of every five minutes fails",
        "Told at once, then once a day.",
        _of_run(
            "Failed", "TimedOut", flows=[_RECONCILING], for_each={"related:flow:prefect.resource.id"}, within=_A_DAY
        ),
        "The check of every five minutes fails",
        f"{_RECONCILING}, which ends what dead runs left open, fails itself. As long as it does this comes once a day.",
        _WHY,
        "Most often the database cannot be reached, and then imports and accruals cannot work either: "
        "`sync-actions doctor` on the worker's machine says more.",
        run,
    )
