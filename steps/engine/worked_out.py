"""What a posting was worked out from, as it is stored with it (docs/accrual-rules.md, Worked out from).

Written by hand as the shortest JSON there is, because each posting gets one: `json.dumps` would take a tenth of the
whole month's time. `steps/reports/explain.py` reads it.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from steps.engine.contract_month import AccrualRules, ContractInputs, MonthSessions, ServiceInputs


def worked_out_from(inputs: ContractInputs, sessions: MonthSessions, rules: AccrualRules, policy: str) -> str:
    """The contract as it was decided on: JSON of one line.

    Args:
        inputs: as read for the month; no document is later.
        sessions: as they were counted.
        rules: whose holidays are kept where they take a class.
        policy: what is set of `SyncSettings.policy`, as JSON.
    """
    # By day, whichever was imported first: a run again keeps what a fresh import does.
    documents = ",".join(sorted([f'["{each.day.isoformat()}","{each.amount!s}"]' for each in inputs.documents]))
    periods = ",".join(
        [
            f'[{_text(each.external_id)},"{each.start.isoformat()}","{each.end.isoformat()}","{each.status}",'
            f"{_day(each.status_change_date)},{_day(each.created_on)}]"
            for each in inputs.periods
        ]
    )
    page, before = inputs.notion, "" if sessions.before is None else f",{sessions.before}"
    return (
        f'{{"contract":["{inputs.contract_date.isoformat()}","{inputs.status}"],"documents":[{documents}],'
        f'"before":"{inputs.accrual.accrued_before:.2f}","sessions":[{sessions.in_month},{sessions.remaining}{before}],'
        f'"periods":[{periods}],"notion":{f"[{_text(page.status)},{_day(page.day)}]" if page else "null"},'
        f'"service":{_service(inputs.service)},"holidays":[{_free_days(inputs, rules)}],"policy":{policy}}}'
    )


def compact(policy: Mapping[str, str]) -> str:
    """What is set of a policy, as JSON."""
    return json.dumps({name: value for name, value in policy.items() if value}, separators=(",", ":"))


_text = lru_cache(maxsize=10_000)(json.dumps)
"""Cohorts and statuses come again and again."""


def _day(day: date | None) -> str:
    return f'"{day.isoformat()}"' if day else "null"


@lru_cache(maxsize=10_000)
def _service(service: ServiceInputs) -> str:
    weekdays = ",".join(map(str, sorted(service.class_weekdays or ())))
    return f"[{service.total_sessions},{service.sessions_per_week},[{weekdays}]]"


def _free_days(inputs: ContractInputs, rules: AccrualRules) -> str:
    """The holidays on class days from the first to the last day of all periods."""
    weekdays, days = inputs.service.class_weekdays, rules.sorted_holidays
    if not days or not weekdays or not inputs.periods:
        return ""
    first = bisect_left(days, min([each.start for each in inputs.periods]))
    after = bisect_right(days, max([each.end for each in inputs.periods]))
    return ",".join([_day(day) for day in days[first:after] if day.weekday() in weekdays])
