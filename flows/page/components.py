"""What the views are made of: markup, notifications, lists, one visit's language and theme, wording."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from flows.page.texts import Texts
from flows.plan import Assessment, StepRunState
from flows.run_steps import group_by_reason
from flows.runs import Runs
from steps.errors import SyncError
from steps.results import RecordedResult
from steps.settings import SyncSettings
from tracking.models import ExecutionStatus, SyncExecution
from tracking.settings import DatabaseUnusableError

COLOURS = {"primary": "#1f5f99", "positive": "#14683a", "negative": "#a3201c"}

STYLE = """
:root { --ok: #14683a; --ok-bg: #dff3e6; --bad: #a3201c; --bad-bg: #fde4e2; --old: #7a4a00; --old-bg: #fcefd2;
  --busy: #17528a; --busy-bg: #dcebfa; --none: #55606b; --none-bg: transparent; --line: #d5dbe1; --soft: #55606b;
  --strong: #1f5f99; --on-strong: #fff; }
.body--light { background: #f6f7f9; color: #1b2229; }
.body--dark { color-scheme: dark; background: #12161b; color: #e6eaee; --q-primary: #8cc2f2 !important;
  --q-dark: #1a2027; --q-dark-page: #12161b; --ok: #8fdcae; --ok-bg: #15372a; --bad: #ffb3ae; --bad-bg: #46201f;
  --old: #f3cd8a; --old-bg: #40331a; --busy: #a5d0f7; --busy-bg: #1b3550; --none: #a4afba; --line: #36414c;
  --soft: #a9b4bf; --strong: #8cc2f2; --on-strong: #0e1c29; }
.q-btn.strong { background: var(--strong); color: var(--on-strong); }
.q-loading-bar { display: none; }
.nicegui-content { padding: 0 !important; gap: 0; }
.nicegui-link { color: var(--busy); }
.top { border-bottom: 1px solid var(--line); width: 100%; }
.top.q-header { padding: 0; color: inherit; background: #fff; } .body--dark .top.q-header { background: #1a2027; }
.top-in, .content { max-width: 1080px; margin: 0 auto; width: 100%; padding: 12px 16px; box-sizing: border-box; }
.top-in { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; }
.top h1 { font-size: 1.05rem; font-weight: 600; margin: 0 8px 0 0; line-height: 1.4; }
nav { display: flex; flex-wrap: wrap; gap: 2px; flex: 1 1 auto; }
nav .nicegui-link, .top .quiet { padding: 8px 10px; border-radius: 8px; color: inherit; text-decoration: none;
  font-size: .95rem; }
nav a:hover { text-decoration: underline; }
nav .nicegui-link[aria-current] { color: var(--busy); background: var(--busy-bg); font-weight: 600; }
.body--dark .to-dark, .body--light .to-light { display: none; }
.top .nicegui-link.quiet, .top .quiet.q-btn { color: var(--soft) !important; }
.content { padding-top: 20px; padding-bottom: 48px; display: flex; flex-direction: column; gap: 16px; }
.content:focus { outline: none; }
h2 { font-size: 1.35rem; font-weight: 600; margin: 0; line-height: 1.3; }
h3 { font-size: 1.05rem; font-weight: 600; margin: 0; line-height: 1.3; }
.panel { border: 1px solid var(--line); border-radius: 12px; padding: 16px; width: 100%; box-sizing: border-box;
  display: flex; flex-direction: column; gap: 12px; box-shadow: none; }
.body--light .panel { background: #fff; } .body--dark .panel { background: #1a2027; }
.panel p { margin: 0; } .panel ul:not([class]) { margin: 0; padding-left: 20px; }
.soft { color: var(--soft); } .small { font-size: .875rem; }
.fields { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; width: 100%; }
.fields > * { flex: 1 1 160px; min-width: 0; } .fields > .narrow { flex: 0 0 auto; }
.actions { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.rows { list-style: none; margin: 0; padding: 0; width: 100%; }
.rows > li { border-top: 1px solid var(--line); } .rows > li:first-child { border-top: 0; }
.rows .row-in { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: baseline; padding: 10px 4px; width: 100%;
  text-align: left; }
.row-in.q-btn { text-transform: none; font-weight: 400; line-height: 1.45; letter-spacing: 0; border-radius: 8px; }
.row-in.q-btn .q-btn__content { justify-content: flex-start; gap: 2px 12px; flex-wrap: wrap; text-align: left; }
.row-in .what { font-weight: 600; }
.months .what { flex: 0 0 150px; } .months .mark { flex: 0 0 auto; }
.row-in .detail { flex: 1 1 100%; color: var(--soft); overflow-wrap: anywhere; }
.breaking { overflow-wrap: anywhere; }
.mark { display: inline-block; border-radius: 99px; padding: 1px 10px; font-size: .82rem; font-weight: 600;
  color: var(--none); border: 1px solid var(--line); white-space: nowrap; }
.is-completed, .is-resolved, .is-closed { color: var(--ok) !important; background: var(--ok-bg) !important;
  border-color: transparent; }
.is-failed { color: var(--bad) !important; background: var(--bad-bg) !important; border-color: transparent; }
.is-stale { color: var(--old) !important; background: var(--old-bg) !important; border-color: transparent; }
.is-running { color: var(--busy) !important; background: var(--busy-bg) !important; border-color: transparent; }
.is-missing { color: var(--none) !important; }
.grid-row { display: grid; grid-template-columns: 220px 1fr; gap: 6px 16px; align-items: center; width: 100%; }
.cells { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 6px; }
.cell.q-btn { padding: 4px 0; min-height: 46px;
  border: 1px solid var(--line); border-radius: 8px; text-transform: none; }
.cell.once { grid-column: 1 / -1; }
.cell .q-btn__content { flex-direction: column; line-height: 1.25; }
.cell .sign { font-size: 1.05rem; font-weight: 700; }
.cell .when { font-size: .74rem; font-weight: 400; }
.why { min-height: 3em; }
.legend { display: flex; flex-wrap: wrap; gap: 8px; list-style: none; margin: 0; padding: 0; }
.scroll { overflow-x: auto; width: 100%; }
.figures { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
.figures caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
.figures th, .figures td { padding: 6px 10px; text-align: right;
  white-space: nowrap; border-top: 1px solid var(--line); }
.figures thead th:first-child { text-align: left; }
.figures thead th { border-top: 0; color: var(--soft); font-weight: 600; }
.figures th[scope=row] { text-align: left; font-weight: 400; }
.figures tfoot th, .figures tfoot td { font-weight: 600; }
.payload { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .82rem; margin: 0; }
.facts { display: grid; grid-template-columns: auto 1fr; gap: 4px 16px; margin: 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.q-notification__actions { color: inherit; }
.wide { width: 640px; max-width: 100%; z-index: 1; }
@layer theme { /* an earlier layer's `!important` is stronger than Quasar's, which leaves buttons without an outline */
  :focus-visible:not([tabindex="-1"], .q-field__native, .q-field__input, .q-field__focus-target) {
    outline: 3px solid var(--busy) !important; outline-offset: 2px !important; }
}
@media (max-width: 700px) {
  .grid-row { grid-template-columns: 1fr; } .cells { grid-template-columns: repeat(6, minmax(0, 1fr)); }
  .top-in nav { order: 3; flex: 1 1 100%; margin: 0 -8px; } nav .nicegui-link { padding: 8px 6px; font-size: .875rem; }
  .top h1 { flex: 1 1 auto; } .top-in { gap: 4px; padding-bottom: 6px; } .top .quiet { padding: 8px 6px; }
  .panel { padding: 12px; } .content { padding-left: 12px; padding-right: 12px; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
"""

LOGIN_STYLE = """
:root { color-scheme: light dark; } * { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.5 system-ui, sans-serif;
  background: light-dark(#f6f7f9, #12161b); color: light-dark(#1b2229, #e6eaee); }
main { width: min(360px, 100% - 32px); padding: 24px; border-radius: 12px;
  border: 1px solid light-dark(#d5dbe1, #36414c); background: light-dark(#fff, #1a2027); }
h1 { font-size: 1.25rem; margin: 0 0 16px; } label { font-weight: 600; }
input, button { font: inherit; width: 100%; padding: 10px 12px; border-radius: 8px; margin-top: 6px; }
input { border: 1px solid light-dark(#737e89, #8a95a0); background: transparent; color: inherit; }
button { border: 0; font-weight: 600; background: light-dark(#1f5f99, #8cc2f2); color: light-dark(#fff, #0e1c29); }
#hint { margin: 6px 0 12px; font-size: .875rem; color: light-dark(#55606b, #a9b4bf); }
[role=alert] { margin: 0 0 12px; color: light-dark(#a3201c, #ffb3ae); font-weight: 600; }
:focus-visible { outline: 3px solid light-dark(#17528a, #a5d0f7); outline-offset: 2px; }
"""


FIELD = "outlined dense options-dense"
"""How every field looks (Quasar props)."""
FIRST_YEAR_SHOWN = 2018


class Tag(TextElement):
    """One HTML element: `Tag("h2", "History")`, or around others: `with Tag("ul", classes="rows"):`."""

    def __init__(self, tag: str, text: str = "", *, classes: str = "", **attributes: str) -> None:
        """Args: `attributes` by their names, `_` for `-`, such as `aria_live="polite"`."""
        super().__init__(tag=tag, text=text)
        self.classes(classes)
        for name, value in attributes.items():
            self.props[name.replace("_", "-")] = value


def english(tag: str, text: str, classes: str = "") -> Tag:
    """What a step, a rule or a vendor said, in English whatever the page is in: a screen reader has to know."""
    return Tag(tag, text, classes=classes, lang="en")


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


def year_field(visit: "Visit", label: str) -> ui.select:
    """A year that a person may want to look at, newest first; at first the default year."""
    default = visit.settings.default_year
    years = list(range(visit.now.year + 1, min(FIRST_YEAR_SHOWN, default) - 1, -1))
    return ui.select(years, label=label, value=default).props(FIELD)


def day_field(label: str, value: str = "") -> ui.input:
    """A date as the browser's own date field; its value is ISO 8601."""
    return ui.input(label, value=value).props(f"{FIELD} type=date stack-label")


def strong_button(text: str, act: Callable[[], object] | None = None) -> ui.button:
    """The one button of a form that does what the form is for."""
    return ui.button(text, on_click=act, color=None).props("unelevated no-caps").classes("strong")


@contextmanager
def dialog_of(title: str) -> Iterator[ui.dialog]:
    """An open dialog with this title, which is its name for a screen reader too; it is gone once it is closed."""
    with ui.dialog(value=True) as dialog, ui.card().classes("panel wide"):
        dialog.on("hide", dialog.delete)
        dialog.props["aria-label"] = title
        Tag("h2", title)
        yield dialog


@dataclass(frozen=True)
class Visit:
    """One view in one browser."""

    view: str
    """Its key, such as `grid`: the last part of its address."""
    texts: Texts
    settings: SyncSettings
    runs: Runs
    theme: str
    """`dark` or `light` if somebody chose; else empty, and the browser's preference counts."""
    guarded: bool
    """Whether people log in, and may log out."""

    @property
    def now(self) -> datetime:
        """The present moment in the academy's zone."""
        return datetime.now(self.settings.zone)


Answer = TypeVar("Answer")


def notify_success(message: str) -> None:
    """A notification, where it covers no navigation."""
    ui.notify(message, type="positive", position="bottom", timeout=6000)


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


Row = TypeVar("Row")
PAGE_ROWS = 25


class PagedList(Generic[Row]):
    """Rows, newest first, that grow by a page at a time. Each view's own says how they are read and shown."""

    def __init__(self, texts: Texts, none: str) -> None:
        """Args: `none` is the text if there is nothing."""
        self._none = none
        self._last: Row | None = None
        self._rows = Tag("div")
        with self._rows:
            ui.label(texts("reading")).classes("soft")
        self._more = ui.button(texts("more"), on_click=self._show_more).props("flat no-caps")
        self._more.set_visibility(False)
        ui.timer(0.0, self.refresh, once=True)

    def read(self, after: Row | None, limit: int) -> list[Row]:
        """The rows after this one, or the newest; called in a thread."""
        raise NotImplementedError

    def show(self, page: list[Row]) -> None:
        """Build the elements of a page."""
        raise NotImplementedError

    async def refresh(self) -> None:
        """Begin with the newest again."""
        found = await self._read(None)
        self._rows.clear()
        self._show(found)

    async def _show_more(self) -> None:
        self._show(await self._read(self._last))

    async def _read(self, after: Row | None) -> list[Row]:
        """One more than a page, which tells whether there is another."""
        return await asyncio.to_thread(self.read, after, PAGE_ROWS + 1)

    def _show(self, found: list[Row]) -> None:
        page = found[:PAGE_ROWS]
        with self._rows:
            if page:
                self.show(page)
                self._last = page[-1]
            else:
                ui.label(self._none).classes("soft")
        self._more.set_visibility(len(found) > PAGE_ROWS)


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
        elif key == "amount_accrued" and (accrued := RecordedResult(result).amount_accrued) is not None:
            yield _name(texts, key), texts.money(accrued)
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


def took_text(texts: Texts, execution: SyncExecution) -> str:
    """How long it took."""
    if execution.started_at is None or execution.completed_at is None:
        return ""
    return texts("seconds", seconds=f"{(execution.completed_at - execution.started_at).total_seconds():.1f}")


def _name(texts: Texts, key: str) -> str:
    """`invoices_created` in the reader's language, as far as its words are known."""
    if whole := texts.known(f"result.{key}"):
        return whole
    return " ".join(texts.known(f"result.{word}") or word for word in key.split("_"))
