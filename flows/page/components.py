"""What the views are made of: markup, notifications, lists, one visit's language and theme, wording."""

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.elements.mixins.value_element import ValueElement

from flows.access import Caller, Role
from flows.page.texts import Texts
from flows.parameters import AskedRange, parse_year
from flows.plan import Assessment, StepRunState
from flows.run_steps import group_by_reason
from flows.runs import RunRequest, Runs
from steps.closing import Signature
from steps.errors import SyncError
from steps.reports.roll_forward import RollForward
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.history import latest_month
from tracking.models import ExecutionStatus, SyncExecution
from tracking.settings import DatabaseUnusableError

FIELD = "outlined dense options-dense"
"""How every field looks (Quasar props)."""


class Tag(TextElement):
    """One HTML element: `Tag("h2", "History")`, or around others: `with Tag("ul", classes="rows"):`."""

    def __init__(self, tag: str, text: str = "", *, classes: str = "", **attributes: str) -> None:
        """Args: `attributes` by their names, `_` for `-`, such as `aria_live="polite"`."""
        super().__init__(tag=tag, text=text)
        self.classes(classes)
        for name, value in attributes.items():
            self.props[name.replace("_", "-")] = value


def said(texts: Texts, tag: str, message: str, classes: str = "") -> Tag:
    """What a step, a rule or a vendor said, in the reader's language; a screen reader has to know if it is not."""
    told = texts.said(message)
    return Tag(tag, message, classes=classes, lang="en") if told is None else Tag(tag, told, classes=classes)


def mark(text: str, kind: str) -> Tag:
    """A status in its colour; the text says it to those who do not see colours."""
    return Tag("span", text, classes=f"mark is-{kind}")


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair a line; a pair without a value is left out."""
    with Tag("dl", classes="facts"):
        for name, value in pairs:
            if value:
                Tag("dt", name)
                Tag("dd", value)


def announcer() -> ui.label:
    """A line that a screen reader reads out whenever it changes."""
    return ui.label().props('role="status" aria-live="polite"')


def choice(label: str, options: Mapping[str, str], value: str) -> ui.select:
    """A drop-down; its label is its name for a screen reader too."""
    field = ui.select(dict(options), label=label, value=value).props(FIELD)
    field.props["aria-label"] = label
    return field


def day_field(label: str, value: str = "") -> ui.input:
    """A date as the browser's own date field; its value is ISO 8601."""
    return ui.input(label, value=value).props(f"{FIELD} type=date stack-label")


def strong_button(text: str, act: Callable[[], object] | None = None) -> ui.button:
    """The one button of a form that does what the form is for; without `act` it submits a dialog."""
    button = ui.button(text, on_click=act, color=None).props("unelevated no-caps").classes("strong")
    return button if act else button.props("type=submit")


def signature_fields(visit: "Visit", reason_key: str = "reason") -> Callable[[], Signature | None]:
    """Who does it, and why: both are kept. Returns what asks for them; None, and a notification, without a name."""
    texts = visit.texts
    who = ui.input(texts("closing.who")).props(f"{FIELD} autocomplete=name autofocus").classes("full-width")
    reason = ui.input(texts(reason_key)).props(FIELD).classes("full-width")

    def signed() -> Signature | None:
        if not (name := str(who.value or "").strip()):
            notify_failure(texts("closing.no_name"))
            return None
        return Signature(name, str(reason.value or "").strip())

    return signed


def remember(asked: Mapping[str, object]) -> None:
    """Have the browser's address name this, without loading anything: what is empty or None is left out of it."""
    ui.run_javascript(f"remember({json.dumps({name: str(value or '') for name, value in asked.items()})})")


class Dialog(ui.dialog):
    """A dialog that is open; closed, it is gone, from the address too. Enter in a field submits it."""

    def __init__(self) -> None:
        super().__init__(value=True)
        self.on("hide", self._go)
        with self, ui.card().classes("panel wide"):
            self.form = Tag("form", classes="in-dialog")

    def on_submit(self, act: Callable[[], object]) -> None:
        """What its strong button, and Enter, do."""
        self.form.on("submit.prevent", act)

    def _go(self) -> None:
        remember({"dialog": ""})
        self.delete()


@contextmanager
def dialog_of(title: str) -> Iterator[Dialog]:
    """An open dialog with this title, which is its name for a screen reader too."""
    dialog = Dialog()
    dialog.props["aria-label"] = title
    with dialog.form:
        Tag("h2", title)
        yield dialog


def dialog_button(visit: "Visit", text: str, key: str, show: Callable[[], object], role: Role = Role.READ) -> ui.button:
    """A button that opens a dialog, for those whose role allows what it does.

    The address names it while it is open: a reload or another language opens it.
    """

    def open_it() -> None:
        remember({"dialog": key})
        show()

    if visit.given.get("dialog") == key and visit.caller.role >= role:
        ui.timer(0.0, show, once=True)
    return visit.allow(role, ui.button(text, on_click=open_it).props("outline no-caps"))


def show_changes() -> None:
    """Show the view anew because something has changed, unless a dialog is open or the person is leaving just now."""
    ui.run_javascript("showChanges()")


def load_again() -> None:
    """Show the view anew, without the dialog whose work is done and what was chosen for it."""
    ui.run_javascript("remember({dialog: '', chosen: ''}); location.reload()")


@dataclass(frozen=True)
class Act:
    """What somebody does by a dialog: whose role allows it, and what the trail says of it."""

    role: Role
    name: str
    asked: Callable[[], object]
    """What it is about, when it is done; who signs is added."""

    def performing(self, caller: Caller, by: Signature, *, preview: bool = False) -> AbstractContextManager[None]:
        """Around doing it, or looking at what it would do."""
        return caller.performing(self.role, self.name, f"{self.asked()} {by}{' preview' if preview else ''}")


@contextmanager
def signed_dialog(
    visit: "Visit", title: str, act: Act, do: Callable[[Signature], object], *, reason_key: str = "reason"
) -> Iterator[ui.dialog]:
    """A dialog that asks who does it and why, does it, and shows the view anew; in the block is what it is about."""
    with dialog_of(title) as dialog:
        yield dialog
        sign = signature_fields(visit, reason_key)

        def done(by: Signature) -> bool:
            with act.performing(visit.caller, by):
                do(by)
            return True

        async def do_it() -> None:
            by = sign()
            if by is not None and await ask(visit.texts, partial(done, by)):
                load_again()

        dialog.on_submit(do_it)
        with Tag("div", classes="actions"):
            strong_button(title)
            ui.button(visit.texts("cancel"), on_click=dialog.close).props("flat no-caps")


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Change(Generic[Answer]):
    """Something that a person looks at before it is done; each is called with who signs, in a thread."""

    name: str
    """Of the button that does it."""
    act: Act
    look: Callable[[Signature], Answer]
    show: Callable[[Answer], None]
    do: Callable[[Signature], str]
    """Answers the address to go to."""


@contextmanager
def previewed_dialog(visit: "Visit", title: str, change: Change[Any]) -> Iterator[list[ValueElement[Any]]]:
    """A dialog that shows what something would do before it offers to do it; in the block are its fields.

    Fields that are appended to the list take the offer back when they change: what was looked at is what is done.
    """
    texts, fields = visit.texts, list[ValueElement[Any]]()
    with dialog_of(title) as dialog:
        yield fields
        sign = signature_fields(visit)
        outcome = Tag("div", role="status", aria_live="polite")

        def looked(by: Signature) -> Any:
            with change.act.performing(visit.caller, by, preview=True):
                return change.look(by)

        def done(by: Signature) -> str:
            with change.act.performing(visit.caller, by):
                return change.do(by)

        async def look() -> None:
            if (by := sign()) and (found := await ask(texts, partial(looked, by))) is not None:
                outcome.clear()
                with outcome:
                    change.show(found)
                button.set_visibility(True)

        async def do_it() -> None:
            if (by := sign()) and (address := await ask(texts, partial(done, by))):
                dialog.close()
                ui.navigate.to(address)

        dialog.on_submit(look)
        with Tag("div", classes="actions"):
            ui.button(texts("adjust.preview")).props("outline no-caps type=submit")
            button = strong_button(change.name, do_it)
            ui.button(texts("cancel"), on_click=dialog.close).props("flat no-caps")
        button.set_visibility(False)
        for each in fields:
            each.on_value_change(lambda: button.set_visibility(False))


def year_links(visit: "Visit", path: str, year: int, *, below: bool = False) -> None:
    """The years before and after, as links; `below`: the year is a part of the path, else of the query."""
    with Tag("nav", aria_label=visit.texts("year"), classes="chips no-print"):
        for each in (year - 1, year, year + 1):
            to, asked = (f"{path}/{each}", None) if below else (path, each)
            link = visit.link(str(each), to, classes="chip", year=asked)
            if each == year:
                link.props["aria-current"] = "page"


SIGNS = {
    StepRunState.completed: "✓",
    StepRunState.failed: "✗",
    StepRunState.missing: "–",
    StepRunState.stale: "↻",
    StepRunState.running: "…",
}


@dataclass(frozen=True)
class Visit:
    """One view in one browser, and what its address says: filters and what is chosen live there."""

    view: str
    """Its key, such as `months`."""
    texts: Texts
    settings: SyncSettings
    runs: Runs
    theme: str
    """`dark` or `light` if somebody chose; else empty, and the browser's preference counts."""
    caller: Caller
    """Who looks, and what the role allows."""
    root: str = ""
    """What stands before every address, such as `/page`."""
    path: str = ""
    """The address below the language, with its query."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The parameters of path and query by name."""

    def file(self, name: str, **asked: str) -> str:
        """The address of a file to take along; a CSV is for the Excel of the view's language."""
        return f"{self.root}/download/{name}?{urlencode({**asked, 'language': self.texts.language})}"

    def start(self, request: RunRequest) -> str:
        """Start a run, as an act that stays in the trail. Returns its id."""
        with self.caller.performing(Role.OPERATE, "run", f"{request.deployment} {request.parameters}"):
            return self.runs.start(request)

    def allow(self, role: Role, button: ui.button) -> ui.button:
        """Show a button only to whom the role allows what it does."""
        button.set_visibility(self.caller.role >= role)
        return button

    @property
    def now(self) -> datetime:
        """The present moment in the academy's zone."""
        return datetime.now(self.settings.zone)

    @property
    def year(self) -> int:
        """That of the address, else the one that is being worked on.

        Raises:
            UsageError: the address names none that is allowed.
        """
        if "year" not in self.given:
            latest = latest_month()
            return latest.year if latest else self.settings.default_year
        year = parse_year(self.given["year"])
        AskedRange(year).of_dates()
        return year

    def address(self, path: str, **query: object) -> str:
        """Where a view is, for `ui.navigate`; what is empty or None is left out of the query."""
        asked = urlencode({name: value for name, value in query.items() if value not in (None, "")})
        return f"/{self.texts.language}/{path}" + (f"?{asked}" if asked else "")

    def href(self, path: str, **query: object) -> str:
        """The same for a link."""
        return f"{self.root}{self.address(path, **query)}"

    def link(self, text: str, path: str, *, classes: str = "", **query: object) -> Tag:
        """A link to a view; who may only read sees no button to the form of a run."""
        link = Tag("a", text, classes=classes, href=self.href(path, **query))
        link.set_visibility(path != "runs/new" or "button" not in classes or self.caller.role >= Role.OPERATE)
        return link

    def money_link(self, amount: Decimal, path: str, **query: Any) -> None:
        """An amount that leads to what it is made of; zero leads nowhere."""
        if amount:
            self.link(self.texts.money(amount), path, **query)
        else:
            ui.label(self.texts.money(amount))


def on_desk(figure: str) -> str:
    """The class of a figure's column in a roll-forward: a phone has room for two of them."""
    return "" if figure in ("accrued", "closing") else "desk"


def outside_totals(visit: Visit, report: RollForward) -> None:
    """What is in no total of a month, by currency, and the way to its documents: never silent beside a total."""
    texts, month = visit.texts, report.month
    for line in report.lines:
        if line.unlinked:
            with Tag(
                "p",
                texts("months.outside", amount=texts.amount(line.unlinked, line.currency)) + " ",
                classes="is-stale pad",
            ):
                visit.link(texts("months.look"), f"revenue/{month:%Y-%m}/outside")


def notify_failure(message: str) -> ui.notification:
    """A notification that stays until it has been read."""
    return ui.notification(
        message, type="negative", position="bottom", timeout=None, close_button="OK", multi_line=True
    )


async def ask(texts: Texts, question: Callable[[], Answer]) -> Answer | None:
    """Do something in a thread, so that nobody else waits for it; None, and a notification, if it was refused."""
    try:
        return await asyncio.to_thread(question)
    except (SyncError, DatabaseUnusableError) as refusal:
        notify_failure(f"{texts('refused')}: {refusal}")
        return None


def run_address(flow_run_id: str | None) -> str | None:
    """The address of a flow run: `PREFECT_UI_URL`, else that of `PREFECT_API_URL`'s server; None if neither is set.

    A temporary server has no UI, and its runs are gone with it.
    """
    base = os.environ.get("PREFECT_UI_URL") or os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix("/api")
    return f"{base.rstrip('/')}/runs/flow-run/{flow_run_id}" if base and flow_run_id else None


REASONS_NAMED = 3


def result_counts(texts: Texts, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each count of a result by its name in words; what is no count is for the downloads."""
    for key, value in result.items():
        if key == "summary" and isinstance(value, Mapping):
            yield from result_counts(texts, value)
        elif key == "amount_accrued" and (accrued := RecordedResult(result).accrued) is not None:
            amounts = (texts.amount(amount, currency).strip() for currency, amount in accrued.items())
            yield _name(texts, key), ", ".join(amounts) or "-"
        elif isinstance(value, int) and not isinstance(value, bool):
            yield _name(texts, key), str(value)


def outcome_text(texts: Texts, execution: SyncExecution) -> str:
    """`invoices created 12, errors 2`: what an execution did, without what is zero; empty if it did not complete."""
    if execution.result is None:
        return ""
    counts = [f"{name} {value}" for name, value in result_counts(texts, execution.result) if value not in {"0", "-"}]
    return ", ".join(counts) or texts("execution.nothing")


def failures_text(texts: Texts, name: str, executions: Sequence[SyncExecution]) -> str:
    """`Sync Invoices: 4 of 13 failed: ...`: how many of a run have failed; for each reason, of which months it is."""
    failures = [each for each in executions if each.status == ExecutionStatus.FAILED]
    reasons = group_by_reason(
        (
            texts.month(each.window_start) if each.window_start else texts.step_run(each.step_name, None),
            each.error_message or "",
        )
        for each in failures
    )
    more = [texts("run.failed.more", count=len(reasons) - REASONS_NAMED)] if len(reasons) > REASONS_NAMED else []
    summary = texts("run.failed", step=name, failed=len(failures), total=len(executions))
    return f"{summary}: {'; '.join([*reasons[:REASONS_NAMED], *more])}"


def standing_text(texts: Texts, assessment: Assessment) -> str:
    """Why a step and month stand as they do, as far as it is not said by the error of a failed one."""
    if assessment.state is StepRunState.missing:
        return texts("why.missing")
    if assessment.state is not StepRunState.stale:
        return ""
    if (source := assessment.source) is None:
        return texts("why.early")
    return texts("why.changed", name=texts.step_run(source.step_name, source.window_start), id=source.id)


def took_text(texts: Texts, started: datetime | None, ended: datetime | None) -> str:
    """How long it took; empty as long as that is not known."""
    if started is None or ended is None:
        return ""
    return texts("seconds", seconds=f"{(ended - started).total_seconds():.1f}")


def _name(texts: Texts, key: str) -> str:
    """`invoices_created` in the reader's language, as far as its words are known."""
    if whole := texts.known(f"result.{key}"):
        return whole
    return " ".join(texts.known(f"result.{word}") or word for word in key.split("_"))
