"""The report of a soak, in Markdown: every promise, every kind of disturbance, and details for who looks for more."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from tests.soak.checks import Check
from tests.soak.disturbances import KINDS
from tests.soak.installation import Installation
from tests.soak.plan import Happened
from tests.soak.soak import Options


def as_markdown(options: Options, checks: Sequence[Check], happened: Sequence[tuple[Happened, bool]]) -> str:
    """The two tables. One that found nothing to disturb (no run to be killed, for example) does not count."""
    tried: dict[str, list[bool]] = defaultdict(list)
    for each, survived in happened:
        if each.hit.what or each.trouble:
            tried[each.planned.kind.name].append(survived)
    every = [survived for each in tried.values() for survived in each]
    return "\n".join(
        [
            f"{options.minutes:g} minutes, seed {options.seed}: {sum(every)} of {len(every)} disturbances survived, "
            f"{sum(check.holds for check in checks)} of {len(checks)} promises held.",
            "",
            "| what was promised | held | found |",
            "| --- | --- | --- |",
            *(f"| {check.what} | {'yes' if check.holds else '**no**'} | {_cell(check.found)} |" for check in checks),
            "",
            "| what happened | survived / tried |",
            "| --- | ---: |",
            *(
                f"| {kind.name} | {sum(tried[kind.name])} / {len(tried[kind.name])} |"
                for kind in KINDS
                if tried[kind.name]
            ),
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def details(to: Installation, happened: Sequence[Happened]) -> str:
    """Each disturbance with its time, and why executions failed, how often."""
    rows = to.database.ask(
        "SELECT count(*), regexp_replace(error_message, '[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+', '#', 'g') reason"
        " FROM sync_execution WHERE status = 'failed' GROUP BY reason ORDER BY count(*) DESC LIMIT 60"
    )
    return "\n".join(
        [
            *(
                f"{_time(each.began)}-{_time(each.ended)} {each.planned.kind.name}: "
                f"{each.hit.what or 'nothing to disturb'} {each.trouble}"
                for each in happened
            ),
            "",
            *(f"{count:5} x {reason}" for count, reason in rows),
        ]
    )


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%H:%M:%S}"  # noqa: DTZ006 - as the logs beside it
