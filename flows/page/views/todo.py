"""View To do: records that could not be applied, by reason, with their money; decisions, and their trail."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import groupby
from typing import Any

from nicegui import ui

from flows.access import Role
from flows.page.components import (
    Act,
    Tag,
    Visit,
    announcer,
    ask,
    choice,
    dialog_button,
    dialog_of,
    mark,
    notify_failure,
    remember,
    said,
    show_changes,
    signed_dialog,
)
from flows.page.listing import Choice, Column, detail, listing
from flows.plan import plan_retry
from flows.runs import request_retry
from steps.catalog import ACCRUALS, STEPS
from steps.closing import Signature
from steps.errors import UsageError
from steps.reports.outside import Stake, read_stakes, total_stakes
from steps.reports.worklist import WorkItem, Worklist, worklist
from tracking.database import read_session
from tracking.integration_errors import ErrorFilter, find_errors, find_met, mark_errors, recent_decisions
from tracking.models import ErrorDecision, ErrorStatus, IntegrationError

KINDS = {
    "no_email": "has no usable email",
    "no_contact": "names no contact",
    "other_currency": "kept without contract",
    "email_taken": "changed its email to",
    "gone": "is gone from Holded",
    "not_listed": "is not on Holded's list",
    "no_document": "has no document any more",
    "no_service": "it is no service, and its documents",
    "unreadable": "taken without",
    "unknown_status": "is not known, taken as ACTIVE",
    "no_contract": "(cohort type",
    "no_kickoff": "has no kickoff",
    "twice": "in this cohort twice",
    "micro": "is a micro cohort",
    "moved": "is no enrollment of this contract any more",
    "page_twice": "has the same email as page",
    "page_gone": "the link is kept",
}
"""What a step says of a kind of trouble -> its name in the texts, which say what to do about it."""
_LOOK_SECONDS = 5.0


def _id(error: IntegrationError) -> int:
    return error.id or 0


def _seen(error: IntegrationError) -> tuple[int, int]:
    return _id(error), error.occurrences


def kind_of(error: IntegrationError) -> str:
    """The name of a kind of trouble: `other` for what has no text of its own."""
    if error.operation == ACCRUALS.id:
        return "contract"
    return next((kind for kind, said in KINDS.items() if said in error.error_message), "other")


async def show_todo(visit: Visit) -> None:
    """Errors of the status, step and kind that the address names, pending ones at first."""
    await _Todo(visit).show()


@dataclass
class _Todo:
    visit: Visit
    groups: Mapping[str, list[IntegrationError]] = field(default_factory=dict)
    """By kind of trouble, the largest first."""
    chosen: set[int] = field(default_factory=set)
    """By id. The address names them, and of groups that are mostly chosen the kind and what is not."""
    stakes: Mapping[int, Stake] = field(default_factory=dict)
    months: Mapping[int, date] = field(default_factory=dict)
    count: ui.label | None = None

    @property
    def status(self) -> ErrorStatus:
        asked = self.visit.given.get("status", ErrorStatus.PENDING)
        if asked not in set(ErrorStatus):
            raise UsageError(f"status {asked!r} is not known: one of {', '.join(ErrorStatus)} is expected")
        return ErrorStatus(asked)

    async def show(self) -> None:
        texts, wanted = self.visit.texts, self.visit.given.get("show", "")
        with Tag("div", classes="actions"):
            Tag("h2", texts("todo.title"))
            ui.space()
            with Tag("nav", aria_label=texts("todo.title"), classes="chips"):
                for show, key in (("", "todo.records"), ("contracts", "todo.work")):
                    link = self.visit.link(texts(key), "todo", classes="chip", show=show)
                    if show == wanted:
                        link.props["aria-current"] = "page"
        if wanted == "contracts":
            await _worklist(self.visit)
            return
        errors, decisions = await asyncio.to_thread(self._read)
        found = {kind: list(same) for kind, same in groupby(sorted(errors, key=kind_of), key=kind_of)}
        self.groups = dict(sorted(found.items(), key=lambda each: -len(each[1])))
        named = set(self.visit.given.get("chosen", "").split(","))
        self.chosen = {
            _id(each)
            for each in errors
            if str(each.id) in named or (kind_of(each) in named and f"-{each.id}" not in named)
        }
        with Tag("section", classes="panel"):
            self._filters()
            if errors:
                self._actions()
            else:
                Tag(
                    "p",
                    texts("todo.none"),
                    classes="is-completed pad" if self.status == ErrorStatus.PENDING else "soft",
                )
        for kind, same in self.groups.items():
            self._group(kind, same)
        self._trail(decisions)
        ui.timer(_LOOK_SECONDS, partial(self._refresh, [_seen(each) for each in errors]))

    async def _refresh(self, shown: list[tuple[int, int]]) -> None:
        """Selection, filter and order are in the address; only what is typed in a dialog would be lost."""
        if [_seen(each) for each in await asyncio.to_thread(self._find)] != shown:
            show_changes()

    def _find(self) -> list[IntegrationError]:
        given = self.visit.given
        if (number := given.get("error", "")).isdecimal():
            return [met.error for met in find_met([int(number)])]
        found = find_errors(ErrorFilter(status=self.status, operation=given.get("step"), limit=None))
        return [each for each in found if given.get("kind") in (None, kind_of(each))]

    def _read(self) -> tuple[list[IntegrationError], list[ErrorDecision]]:
        found = self._find()
        self.months = {
            _id(met.error): met.execution.window_start
            for met in find_met([_id(each) for each in found])
            if met.execution and met.execution.window_start
        }
        with read_session() as session:
            self.stakes = read_stakes(session, found, self.visit.settings)
        return found, recent_decisions()

    def _filters(self) -> None:
        visit, texts = self.visit, self.visit.texts
        steps = {"": texts("all")} | {step_id: texts(f"step.{step_id}") for step_id in STEPS}
        step = visit.given.get("step", "")
        with Tag("div", classes="actions"):
            with Tag("nav", aria_label=texts("history.status"), classes="chips"):
                for status in ErrorStatus:
                    link = visit.link(texts(f"error.{status}"), "todo", classes="chip", status=status, step=step)
                    if status == self.status:
                        link.props["aria-current"] = "page"
            field = choice(texts("step"), steps, step if step in steps else "").style("min-width: 220px")
            field.on_value_change(lambda: ui.navigate.to(visit.address("todo", status=self.status, step=field.value)))
            ui.space()
            asked = {"status": self.status, **({"operation": step} if step else {})}
            Tag("a", texts("errors.csv"), href=visit.file("errors.csv", **asked), download="")

    def _actions(self) -> None:
        texts = self.visit.texts
        decisions = {
            ErrorStatus.RESOLVED: "errors.resolve",
            ErrorStatus.IGNORED: "errors.ignore",
            ErrorStatus.PENDING: "todo.undo",
        }
        with Tag("div", classes="actions sticky"):
            if self.status == ErrorStatus.PENDING:
                with ui.button(texts("errors.retry"), color=None, on_click=self._retry) as button:
                    ui.tooltip(texts("errors.retry.why"))
                self.visit.allow(Role.OPERATE, button.props("unelevated no-caps").classes("strong"))
            for status, key in decisions.items():
                if status != self.status:
                    dialog_button(self.visit, texts(key), key, partial(self._decide, status, key), Role.OPERATE)
            self.count = announcer().classes("soft")
        self._show_count()

    def _group(self, kind: str, errors: Sequence[IntegrationError]) -> None:
        texts, ids = self.visit.texts, {_id(each) for each in errors}
        columns = (
            Column("what", texts("todo.record")),
            Column("month", texts("accruals.month"), day=True, desk=True),
            Column("amount", texts("todo.work.amount"), number=True),
        )
        words = {
            "all": texts("todo.select", count=len(errors)),
            "one": texts("errors.select", id="{id}"),
            "act": texts("errors.payload"),
            "act_of": texts("errors.payload.of", id="{id}"),
        }
        show = {_id(each): partial(_show_payload, self.visit, each) for each in errors}

        def act(number: int) -> None:
            remember({"dialog": f"record-{number}"})
            show[number]()

        asked = self.visit.given.get("dialog", "").removeprefix("record-")
        if asked.isdecimal() and int(asked) in show:
            ui.timer(0.0, show[int(asked)], once=True)
        with Tag("section", classes="panel"):
            with Tag("div", classes="trouble"):
                Tag("h3", texts(f"todo.{kind}"))
                Tag("span", texts("todo.count", count=len(errors)), classes="soft")
                amounts = total_stakes(self.stakes[_id(each)] for each in errors)
                Tag("strong", texts.amounts(amounts), classes="money")
            Tag("p", texts(f"todo.{kind}.do"), classes="soft")
            choice = Choice(self.chosen & ids, partial(self._select, ids), act, words)
            listing(texts, columns, [self._error(each) for each in errors], "", name=kind, choice=choice)

    def _error(self, error: IntegrationError) -> dict[str, Any]:
        texts, number = self.visit.texts, _id(error)
        stake = self.stakes[number]
        first, last = texts.moment(error.first_seen_at)[:10], texts.moment(error.last_seen_at)[:10]
        met = "errors.met.once" if error.occurrences == 1 else "errors.met"
        age = texts("todo.age", days=(self.visit.now - error.first_seen_at).days)
        contract = f"contracts/{stake.contract_id}"
        return {
            "id": number,
            "what": stake.client or f"{texts.entity(error.entity_type)} {error.entity_external_id}",
            "href": self.visit.href(contract) if stake.contract_id else "",
            "month": f"{self.months[number]:%Y-%m}" if number in self.months else "",
            "month_text": texts.month(self.months[number]) if number in self.months else "",
            "amount": next(iter(stake.amounts.values()), None),
            "amount_text": texts.amounts(stake.amounts),
            **detail(texts, error.error_message),
            "more": f"{texts(met, count=error.occurrences, first=first, last=last)} {age}",
        }

    def _select(self, group: set[int], ids: Collection[int]) -> None:
        self.chosen = (self.chosen - group) | (group & set(ids))
        named: list[str] = []
        for kind, same in self.groups.items():
            every = {_id(each) for each in same}
            there, missing = sorted(every & self.chosen), sorted(every - self.chosen)
            if there and len(there) >= len(missing):
                named += (kind, *(f"-{each}" for each in missing))
            else:
                named += map(str, there)
        remember({"chosen": ",".join(named)})
        self._show_count()

    def _money(self) -> str:
        return self.visit.texts.amounts(total_stakes(self.stakes[each] for each in self.chosen))

    def _show_count(self) -> None:
        if self.count is not None:
            chosen = self.visit.texts("errors.chosen", count=len(self.chosen))
            self.count.set_text(", ".join(filter(None, (chosen, self._money()))))

    async def _retry(self) -> None:
        visit, ids = self.visit, sorted(self.chosen)
        if not ids:
            notify_failure(visit.texts("errors.nothing"))
        elif await ask(visit.texts, lambda: plan_retry(ids)) and (
            run := await ask(visit.texts, partial(visit.start, request_retry(ids)))
        ):
            ui.navigate.to(visit.address(f"runs/{run}", back="todo"))

    def _decide(self, status: ErrorStatus, key: str) -> None:
        texts, ids = self.visit.texts, sorted(self.chosen)
        if not ids:
            remember({"dialog": ""})
            notify_failure(texts("errors.nothing"))
            return
        with signed_dialog(self.visit, texts(key), *_decision(ids, status)):
            money = self._money() or texts("todo.no_money")
            Tag("p", texts("todo.about", count=len(ids), money=money))
            ui.label(texts("todo.kept")).classes("soft")

    def _trail(self, decisions: Sequence[ErrorDecision]) -> None:
        texts = self.visit.texts
        if not decisions:
            return
        with Tag("section", classes="panel"):
            Tag("h3", texts("todo.trail"))
            with Tag("ul", classes="rows"):
                for (at, who, status, reason), same in groupby(
                    decisions, key=lambda each: (each.made_at, each.made_by, each.status, each.reason)
                ):
                    ids = [each.error_id for each in same]
                    with Tag("li"), Tag("div", classes="row-in"):
                        mark(texts(f"error.{status}"), status)
                        Tag("span", texts("todo.decided", count=len(ids), who=who, moment=texts.moment(at)))
                        Tag("span", reason, classes="soft")
                        if status != ErrorStatus.PENDING:
                            undo = partial(self._undo, ids)
                            button = ui.button(texts("todo.undo"), on_click=undo).props("flat dense no-caps")
                            self.visit.allow(Role.OPERATE, button)

    def _undo(self, ids: Sequence[int]) -> None:
        with signed_dialog(self.visit, self.visit.texts("todo.undo"), *_decision(ids, ErrorStatus.PENDING)):
            Tag("p", self.visit.texts("todo.undo.about", count=len(ids)))


async def _worklist(visit: Visit) -> None:
    """Contracts that wait for a person, by reason, with amount and age."""
    texts = visit.texts

    def read() -> Worklist:
        with read_session() as session:
            return worklist(session, visit.settings, visit.now.date())

    found = await asyncio.to_thread(read)
    ui.label(texts("todo.work.as_of", month=texts.month(found.month, long=True))).classes("soft")
    if not found.items:
        Tag("p", texts("todo.none"), classes="is-completed pad")
    for kind, same in groupby(found.items, key=lambda each: each.kind):
        items, totals = list(same), [total for total in found.totals if total.kind == kind]
        with Tag("section", classes="panel"):
            with Tag("div", classes="trouble"):
                Tag("h3", texts(f"work.{kind}"))
                Tag("span", texts("todo.contracts", count=len(items)), classes="soft")
                Tag("strong", texts.amounts({total.currency: total.amount for total in totals}), classes="money")
            Tag("p", texts(f"work.{kind}.do"), classes="soft")
            columns = (
                Column("client", texts("contracts.client")),
                Column("service", texts("contracts.service"), desk=True),
                Column("amount", texts("todo.work.amount"), money=True),
                Column("since", texts("todo.work.since"), day=True, desk=True),
                Column("days", texts("todo.work.days"), number=True),
                Column("why", texts("todo.work.why"), desk=True),
            )
            listing(texts, columns, [_work_row(visit, found.month, each) for each in items], "", name=str(kind))


def _work_row(visit: Visit, month: date, item: WorkItem) -> dict[str, Any]:
    return {
        "id": f"{item.contract.id} {item.currency} {item.kind}",
        "client": item.contract.client,
        "href": visit.href(f"contracts/{item.contract.id}/{month:%Y-%m}"),
        "service": item.contract.service,
        "amount": item.amount,
        "currency": item.currency,
        "since": item.since.isoformat(),
        "days": item.age_days,
        "why": visit.texts.said(item.reason) or item.reason,
    }


def _decision(ids: Sequence[int], status: ErrorStatus) -> tuple[Act, Callable[[Signature], object]]:
    def decide(by: Signature) -> None:
        if not by.reason:
            raise UsageError("a decision needs a reason: it is kept")
        mark_errors(ids, status, by=by.who, reason=by.reason)

    return Act(Role.OPERATE, "decide errors", lambda: f"{status} {', '.join(map(str, ids))}:"), decide


def _show_payload(visit: Visit, error: IntegrationError) -> None:
    texts = visit.texts
    with dialog_of(texts("errors.payload.of", id=error.id)) as dialog:
        said(texts, "p", error.error_message)
        record = json.dumps(error.error_details, indent=2, ensure_ascii=False)
        Tag("pre", record, classes="payload", tabindex="0", role="region", aria_label=texts("errors.payload"))
        ui.button(texts("close"), on_click=dialog.close).props("flat no-caps autofocus")
