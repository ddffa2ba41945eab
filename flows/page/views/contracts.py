"""View Contracts: find one, its whole story by day, why a month has what it has, an adjustment with its preview."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import groupby
from typing import Any

from nicegui import ui

from flows.access import Role
from flows.page.components import (
    FIELD,
    Act,
    Change,
    Tag,
    Visit,
    choice,
    dialog_button,
    facts,
    mark,
    previewed_dialog,
    said,
    signed_dialog,
)
from flows.page.listing import Column, listing
from flows.parameters import parse_month
from steps.closing import Signature
from steps.corrections import Adjusted, Adjustment, adjust, dismiss, parse_adjustment
from steps.errors import UsageError
from steps.ledger.accrual import ADJUSTMENT
from steps.ledger.months import next_month
from steps.reports.contracts import ContractLine, ContractStory, Entry, contract_story, find_contracts
from steps.reports.explain import (
    Calculation,
    ExplainedDocument,
    ExplainedPosting,
    Explanation,
    WorkedOut,
    explain,
)
from steps.settings import record_address
from tracking.database import read_session


async def show_contracts(visit: Visit) -> None:
    """The search, or the one contract that the address names, and the month of it."""
    if (text := visit.given.get("contract")) is None:
        await _search(visit)
        return
    if not text.isdecimal():
        raise UsageError(f"there is no contract {text!r}: a number is expected")
    month = parse_month(visit.given["month"]) if "month" in visit.given else None
    story, explanation = await asyncio.to_thread(_read, visit, int(text), month)
    _heading(visit, story)
    if explanation is not None:
        _explanation(visit, explanation, story)
    _months(visit, story, month)
    _time_line(visit, story, month)


def _read(visit: Visit, contract: int, month: date | None) -> tuple[ContractStory, Explanation | None]:
    with read_session() as session:
        found = None if month is None else explain(session, contract, month, visit.settings)
        return contract_story(session, contract, visit.settings), found


async def _search(visit: Visit) -> None:
    texts, asked = visit.texts, visit.given.get("q", "")
    Tag("h2", texts("view.contracts"))
    with Tag("section", classes="panel"):
        with Tag("form", method="get", action=visit.href("contracts"), role="search", classes="fields"):
            field = ui.input(texts("contracts.search"), value=asked).props(f"{FIELD} name=q type=search")
            field.props["hint"] = texts("contracts.search.hint")
            ui.button(texts("contracts.find"), color=None).props("unelevated no-caps type=submit").classes(
                "strong narrow"
            )
        found = await asyncio.to_thread(_find, asked)
        ui.label(texts("contracts.found", count=len(found))).classes("soft")
        columns = (
            Column("client", texts("contracts.client")),
            Column("service", texts("contracts.service"), desk=True),
            Column("status", texts("contracts.status"), desk=True),
            Column("since", texts("contracts.since"), day=True, desk=True),
            Column("total", texts("contracts.total"), money=True, desk=True),
            Column("accrued", texts("contracts.accrued"), money=True, desk=True),
            Column("remaining", texts("contracts.remaining"), money=True),
            Column("currency", texts("currency")),
        )
        listing(texts, columns, [_row(visit, line) for line in found], texts("contracts.none"))


def _find(asked: str) -> tuple[ContractLine, ...]:
    with read_session() as session:
        return find_contracts(session, asked)


def _row(visit: Visit, line: ContractLine) -> dict[str, Any]:
    return {
        "id": line.name.id,
        "client": line.name.client,
        "href": visit.href(f"contracts/{line.name.id}"),
        "service": line.name.service,
        "status": visit.texts.known(f"contract.{line.status}") or line.status,
        "since": line.contract_date.isoformat(),
        "currency": line.currency or line.name.currency,
        **{name: getattr(line, name) for name in ("total", "accrued", "remaining")},
    }


def _heading(visit: Visit, story: ContractStory) -> None:
    texts, line = visit.texts, story.line
    Tag("h2", texts("contract", id=line.name.id, client=line.name.client))
    with Tag("section", classes="panel"):
        with Tag("div", classes="actions"):
            mark(texts.known(f"contract.{line.status}") or line.status, line.status.lower())
            ui.space()
            visit.link(texts("contracts.all"), "contracts", classes="no-print")
            ui.button(texts("contract.print"), on_click=lambda: ui.run_javascript("window.print()")).props(
                "outline no-caps"
            ).classes("no-print")
            button = dialog_button(visit, texts("adjust"), "adjust", partial(_ask_adjustment, visit, story), Role.CLOSE)
            button.classes("no-print")
            if story.accrued_before_enrollment:
                ask = partial(_ask_to_dismiss, visit, line.name.id)
                dialog_button(visit, texts("dismiss"), "dismiss", ask, Role.CLOSE).classes("no-print")
        status, since = story.notion_status or ("", None)
        facts(
            [
                (texts("contracts.email"), line.name.email),
                (texts("contracts.service"), line.name.service),
                (texts("contracts.since"), line.contract_date.isoformat()),
                *(
                    (texts("contract.id_at", system=texts(f"integration.{s}")), number)
                    for s, number in story.external_ids
                ),
                (texts("contract.notion"), f"{status} {since or ''}".strip()),
                *((texts("contracts.remaining"), texts.amount(left, of)) for of, left in story.deferred.items()),
            ]
        )
        with Tag("div", classes="actions no-print"):
            for system, number in story.external_ids:
                if address := record_address(system, number):
                    name = texts("contract.at", system=texts(f"integration.{system}"))
                    Tag("a", name, href=address, target="_blank", rel="noopener noreferrer")


def _months(visit: Visit, story: ContractStory, chosen: date | None) -> None:
    """The months with a posting, and those around: each leads to its explanation."""
    texts = visit.texts
    months = {entry.month for entry in story.entries if entry.month}
    months |= {chosen} if chosen else set()
    if not months:
        return
    with Tag("nav", aria_label=texts("contract.months"), classes="chips no-print"):
        for month in sorted(months):
            link = visit.link(texts.month(month), f"contracts/{story.line.name.id}/{month:%Y-%m}", classes="chip")
            if month == chosen:
                link.props["aria-current"] = "page"


_MOVED = {"invoice", "credit_note", "voided"}


_TIME_LINE = {"day": "", "what": "text", "documents": "", "accrued": "", "deferred": "desk"}
"""Column -> its classes: a phone has room for what happened, and not for what was left each time."""


def _time_line(visit: Visit, story: ContractStory, chosen: date | None) -> None:
    texts = visit.texts
    with Tag("section", classes="panel"):
        currencies = {entry.currency for entry in story.entries if entry.amount is not None}
        label = ", ".join((texts("contract.story"), *sorted(currencies)))
        Tag("h3", label)
        write = texts.amount if len(currencies) > 1 else lambda amount, _: texts.amount(amount, "").strip()
        with (
            Tag("div", classes="scroll", tabindex="0", role="region", aria_label=label),
            Tag("table", classes="figures"),
        ):
            with Tag("thead"), Tag("tr"):
                for key, classes in _TIME_LINE.items():
                    Tag("th", texts(f"contract.{key}"), scope="col", classes=classes)
            with Tag("tbody"):
                for entry in story.entries:
                    with Tag("tr", classes="chosen" if chosen is not None and entry.month == chosen else ""):
                        _entry(visit, story, entry, write)


def _entry(visit: Visit, story: ContractStory, entry: Entry, write: Callable[[Decimal, str], str]) -> None:
    texts = visit.texts
    Tag("th", entry.day.isoformat(), scope="row")
    with Tag("td", classes="text"):
        if entry.month:
            name = texts(f"entry.{entry.kind}", what=texts.month(entry.month, long=True))
            visit.link(name, f"contracts/{story.line.name.id}/{entry.month:%Y-%m}")
        else:
            Tag("span", texts(f"entry.{entry.kind}", what=entry.what))
        if entry.note:
            Tag("span", entry.note, classes="soft small note desk")
    amount = "" if entry.amount is None else write(abs(entry.amount), entry.currency)
    sign = "−" if entry.amount and (entry.amount < 0) == (entry.kind.value in _MOVED) else ""
    is_document = entry.kind.value in _MOVED
    Tag("td", f"{sign}{amount}" if amount and is_document else "")
    Tag("td", f"{sign}{amount}" if amount and not is_document else "")
    Tag("td", "" if entry.deferred is None else write(entry.deferred, entry.currency), classes=_TIME_LINE["deferred"])


def _explanation(visit: Visit, found: Explanation, story: ContractStory) -> None:
    """From the posted amount back to its rule, its sessions, its documents; what else there is below it as it is."""
    texts, number = visit.texts, story.line.name.id
    with Tag("section", classes="panel"):
        with Tag("div", classes="actions"):
            Tag("h3", texts("explain.title", month=texts.month(found.month, long=True)))
            mark(texts("closing.closed" if found.closed else "closing.open"), "closed" if found.closed else "open")
            ui.space()
            for key, ahead in (("explain.before", -1), ("explain.after", 1)):
                visit.link(texts(key), f"contracts/{number}/{next_month(found.month, ahead):%Y-%m}", classes="no-print")
        _posted(visit, found)
        _how(visit, found, story.line.name.currency)
        _documents(visit, found.documents)


def _how(visit: Visit, found: Explanation, of: str) -> None:
    """What was kept with the postings, and their formula; what changed since, and what it would be today."""
    texts, kept, today = visit.texts, found.worked_out, found.calculation
    if kept is not None:
        _sums(visit, kept, of, found.formula)
        _kept(visit, kept)
    if found.changes:
        with Tag("div", texts("explain.changes"), classes="is-stale pad"), Tag("ul"):
            for change in found.changes:
                said(texts, "li", change)
    if today is None:
        return
    if kept is None or found.changes:
        _sums(visit, today, of, ())
    _days(visit, today)
    if found.changed_since:
        Tag("p", texts("explain.changed", amount=texts.amount(today.amount, of)), classes="is-stale pad")


def _days(visit: Visit, today: Calculation) -> None:
    by_period: dict[str, list[str]] = defaultdict(list)
    for each in today.days:
        if each.sessions:
            by_period[each.period].append(f"{each.day.day}" + (f" (×{each.sessions})" if each.sessions > 1 else ""))
    for period, days in by_period.items():
        Tag("p", visit.texts("explain.days", period=period, days=", ".join(days)), classes="soft")


def _posted(visit: Visit, found: Explanation) -> None:
    """Amount, rule, and what the accruals want a person to look at."""
    texts = visit.texts
    if found.postings:
        Tag("p", texts.amount(found.posted, found.postings[0].currency), classes="big")
        with Tag("ul"):
            for posting in found.postings:
                Tag("li", _posting_text(visit, posting))
    else:
        ui.label(texts("explain.nothing"))
    if found.rule is not None:
        known = texts.known(f"rule.{found.rule.row}")
        Tag("p", texts("explain.rule", row=found.rule.row, why=known or found.rule.condition))
    for line in found.notifications:
        kind, _, message = line.partition(": ")
        with Tag("p", f"{texts.known(f'notice.{kind}') or kind}: ", classes="is-stale pad"):
            said(texts, "span", message)


def _posting_text(visit: Visit, posting: ExplainedPosting) -> str:
    texts, amount = visit.texts, visit.texts.amount(posting.amount, posting.currency)
    if posting.rule == ADJUSTMENT:
        corrects = texts("explain.corrects", month=texts.month(posting.corrects)) if posting.corrects else ""
        return texts("explain.adjusted", amount=amount, who=posting.made_by, reason=posting.reason) + corrects
    period = posting.period or texts("explain.no_period")
    return texts("explain.posted", amount=amount, sessions=posting.sessions, period=period)


def _sums(visit: Visit, found: WorkedOut | Calculation, of: str, formula: Sequence[str]) -> None:
    """As a bookkeeper does it again by hand: with the formula that was kept, else with that of today."""
    texts = visit.texts
    Tag("h4", texts("explain.how" if isinstance(found, WorkedOut) else "explain.today"))
    with Tag("ol", classes="sums"):
        total, before, left = (texts.money(each) for each in (found.total, found.accrued_before, found.remaining))
        Tag("li", texts("explain.remaining", total=total, before=before, remaining=left, currency=of))
        sessions = {"now": found.sessions_in_month, "left": found.sessions_remaining}
        Tag("li", texts("explain.sessions", **sessions))
        for line in formula:
            said(texts, "li", line)
        if isinstance(found, WorkedOut) or not found.amount:
            return
        amount = texts.amount(found.amount, of)
        if 0 < found.sessions_in_month < found.sessions_remaining:
            Tag("li", texts("explain.share", remaining=left, amount=amount, **sessions))
        else:
            Tag("li", texts("explain.whole", amount=amount))


def _kept(visit: Visit, kept: WorkedOut) -> None:
    """Enrollments, statuses and policy as they were then."""
    texts, page = visit.texts, kept.notion
    pairs = []
    for each in kept.periods:
        since = f", {each.status} {each.status_change_date or ''}".rstrip()
        pairs.append((each.external_id, f"{each.start_date} – {each.end_date}{since}"))
    if page is not None:
        pairs.append((texts("contract.notion"), f"{page.status or ''} {page.date or ''}".strip()))
    status = texts.known(f"contract.{kept.contract_status}") or kept.contract_status
    pairs.append((texts("contracts.status"), f"{status}, {texts('contracts.since').lower()} {kept.contract_date}"))
    facts(pairs)
    with Tag("details"):
        Tag("summary", texts("closing.policy"), classes="soft")
        facts((name, str(value)) for name, value in kept.policy.items())


def _documents(visit: Visit, documents: Iterable[ExplainedDocument]) -> None:
    texts, found = visit.texts, tuple(documents)
    if not found:
        return
    label = texts("explain.documents")
    Tag("h4", label)
    with Tag("div", classes="scroll", tabindex="0", role="region", aria_label=label), Tag("table", classes="figures"):
        with Tag("thead"), Tag("tr"):
            for key in ("explain.number", "contract.day", "explain.imported", "todo.work.amount"):
                Tag("th", texts(key), scope="col", classes="desk" if key == "explain.imported" else "")
        with Tag("tbody"):
            for each in found:
                with Tag("tr"):
                    Tag("th", f"{texts.entity(each.kind)} {each.number or ''}", scope="row")
                    Tag("td", each.day.isoformat())
                    with Tag("td", classes="desk"):
                        if each.execution_id:
                            visit.link(texts.moment(each.imported_at), f"runs/{each.execution_id}")
                    Tag("td", texts.amount(each.amount, each.currency))
        for of, same in groupby(sorted(found, key=lambda each: each.currency), lambda each: each.currency):
            with Tag("tfoot"), Tag("tr"):
                Tag("th", texts("total"), scope="row")
                Tag("td")
                Tag("td", classes="desk")
                Tag("td", texts.amount(sum((each.amount for each in same), Decimal()), of))


def _ask_to_dismiss(visit: Visit, contract: int) -> None:
    act = Act(Role.CLOSE, "dismiss", lambda: contract)
    with signed_dialog(visit, visit.texts("dismiss"), act, partial(dismiss, contract)):
        ui.label(visit.texts("dismiss.why")).classes("soft")


def _ask_adjustment(visit: Visit, story: ContractStory) -> None:
    """Amount, month, reason and name; first what it would do, then the button that does it."""
    texts, number = visit.texts, story.line.name.id
    posted = sorted({entry.month for entry in story.entries if entry.month})
    months = {"": texts("adjust.none")} | {f"{month:%Y-%m}": texts.month(month) for month in posted}

    def asked() -> Adjustment:
        of_month = parse_month(corrects.value) if corrects.value else None
        return Adjustment(number, parse_adjustment(str(amount.value or "").replace(",", ".")), of_month)

    def look(by: Signature) -> Adjusted:
        return adjust(asked(), by, visit.now.date(), preview=True)

    def post(by: Signature) -> str:
        return visit.address(f"contracts/{number}/{adjust(asked(), by, visit.now.date()).month:%Y-%m}")

    act = Act(Role.CLOSE, "adjust", asked)
    change: Change[Adjusted] = Change(texts("adjust.post"), act, look, partial(_adjusted, visit), post)
    with previewed_dialog(visit, texts("adjust.title", id=number), change) as fields:
        ui.label(texts("adjust.why")).classes("soft")
        with Tag("div", classes="fields"):
            amount = ui.input(texts("adjust.amount")).props(f"{FIELD} autofocus inputmode=decimal")
            chosen = visit.given.get("month", "")
            corrects = choice(texts("adjust.corrects"), months, chosen if chosen in months else "")
        fields += [amount, corrects]


def _adjusted(visit: Visit, done: Adjusted) -> None:
    texts = visit.texts
    facts(
        [
            (texts("adjust.month"), texts.month(done.month, long=True)),
            (texts("adjust.amount"), texts.amount(done.amount, done.currency)),
            (texts("adjust.before"), texts.amount(done.remaining_before, done.currency)),
            (texts("adjust.after"), texts.amount(done.remaining, done.currency)),
            (texts("adjust.reopened"), texts("adjust.reopened.yes") if done.reopened else ""),
        ]
    )
