"""View Setup, below Months: what services teach, and opening balances; each change is seen first, and has a reason."""

import asyncio
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from nicegui import events, ui

from flows.access import Role
from flows.page.components import (
    FIELD,
    Act,
    Change,
    Tag,
    Visit,
    notify_failure,
    previewed_dialog,
    signed_dialog,
)
from flows.parameters import parse_month
from steps.closing import Signature
from steps.errors import UsageError
from steps.ledger.contract import OpeningBalances
from steps.opening_balances import (
    BalanceFile,
    LoadedBalances,
    load_opening_balances,
    loads_of_opening_balances,
    revert_opening_balances,
)
from steps.teaching import AskedTeaching, TaughtOtherwise, list_services, set_teaching
from tracking.database import read_session

_MOST_SHOWN = 100
"""Lines of a file."""
_LARGEST_FILE = 1_000_000
"""Bytes."""


async def show_setup(visit: Visit) -> None:
    """Services, and every load of opening balances."""
    services, loads = await asyncio.to_thread(_read)
    Tag("h2", visit.texts("setup"))
    _services(visit, services)
    _balances(visit, loads)


def _read() -> tuple[list[dict[str, Any]], list[OpeningBalances]]:
    with read_session() as session:
        return list_services(session), loads_of_opening_balances()


def _services(visit: Visit, services: list[dict[str, Any]]) -> None:
    texts = visit.texts
    with Tag("section", classes="panel"):
        Tag("h3", texts("services"))
        ui.label(texts("services.why")).classes("soft")
        with Tag("ul", classes="rows"):
            for each in services:
                with Tag("li"), Tag("div", classes="row-in"):
                    Tag("span", each["name"], classes="what")
                    Tag("span", _taught(visit, each), classes="soft")
                    button = ui.button(texts("services.change"), on_click=partial(_ask_teaching, visit, each))
                    visit.allow(Role.CLOSE, button).props("flat no-caps").props["aria-label"] = (
                        f"{texts('services.change')}: {each['name']}"
                    )
                    for change in each["changes"][:1]:
                        Tag("span", f"{change['who']}, {change['at'][:10]}: {change['reason']}", classes="detail small")


def _taught(visit: Visit, values: Mapping[str, Any]) -> str:
    """Of these values, those that are there."""
    texts = visit.texts
    names = texts("services.weekdays").split()
    days = ", ".join(names[day] for day in values.get("class_weekdays") or ()) or texts("services.unknown")
    told = {
        "total_sessions": texts("services.total", count=values.get("total_sessions")),
        "sessions_per_week": texts("services.weekly", count=values.get("sessions_per_week")),
        "class_weekdays": days,
    }
    return " · ".join(text for name, text in told.items() if name in values)


def _ask_teaching(visit: Visit, service: Mapping[str, Any]) -> None:
    texts, known = visit.texts, set(service["class_weekdays"] or ())

    def asked() -> AskedTeaching:
        days = [day for day, box in enumerate(boxes) if box.value] or None
        numbers = {"total_sessions": total.value, "sessions_per_week": weekly.value}
        whole = {name: int(value) if value == int(value or 0) else value for name, value in numbers.items()}
        return AskedTeaching(service["name"], service["id"], {**whole, "class_weekdays": days})

    def look(by: Signature) -> list[TaughtOtherwise]:
        return set_teaching([asked()], by, preview=True)

    def show(changed: list[TaughtOtherwise]) -> None:
        for each in changed:
            Tag("p", f"{_taught(visit, each.before)} → {_taught(visit, each.after)}")
        if not changed:
            ui.label(texts("services.same")).classes("soft")

    def save(by: Signature) -> str:
        set_teaching([asked()], by)
        return visit.address("setup")

    title, act = f"{texts('services.change')}: {service['name']}", Act(Role.CLOSE, "teach", asked)
    with previewed_dialog(visit, title, Change(texts("save"), act, look, show, save)) as fields:
        with Tag("div", classes="fields"):
            total, weekly = (
                ui.number(texts(f"services.{key}.field"), value=service[name], min=1, precision=0).props(FIELD)
                for key, name in (("total", "total_sessions"), ("weekly", "sessions_per_week"))
            )
        with Tag("fieldset", classes="chips"):
            Tag("legend", texts("services.days"))
            boxes = [
                ui.checkbox(name, value=day in known) for day, name in enumerate(texts("services.weekdays").split())
            ]
        fields += [total, weekly, *boxes]


def _balances(visit: Visit, loads: list[OpeningBalances]) -> None:
    texts = visit.texts
    with Tag("section", classes="panel"):
        with Tag("div", classes="actions"):
            Tag("h3", texts("balances"))
            ui.space()
            load = ui.button(texts("balances.load"), on_click=partial(_ask_balances, visit)).props("outline no-caps")
            visit.allow(Role.CLOSE, load)
        ui.label(texts("balances.why")).classes("soft")
        with Tag("ul", classes="rows"):
            for each in reversed(loads):
                with Tag("li"), Tag("div", classes="row-in"):
                    Tag("span", texts.month(each.month, long=True), classes="what")
                    Tag("span", texts("balances.line", count=each.contracts, file=each.file_name))
                    Tag("span", f"{each.who}, {texts.moment(each.at)}: {each.reason}", classes="detail small")
                    if each.reverted_at is None:
                        revert = ui.button(texts("balances.revert"), on_click=partial(_ask_to_revert, visit, each))
                        visit.allow(Role.CLOSE, revert.props("flat no-caps"))
                    else:
                        told = f"{each.reverted_by}, {texts.moment(each.reverted_at)}: {each.revert_reason}"
                        Tag("span", texts("balances.reverted", told=told), classes="detail small")


def _ask_balances(visit: Visit) -> None:
    texts, files = visit.texts, list[tuple[str, str]]()

    async def take(upload: events.UploadEventArguments) -> None:
        try:
            files[:] = [(upload.file.name, await upload.file.text("utf-8"))]
            taken.value = sha256(files[0][1].encode()).hexdigest()
        except UnicodeError:
            notify_failure(texts("balances.not_text"))

    def asked() -> BalanceFile:
        if not files:
            raise UsageError(texts("balances.no_file"))
        return BalanceFile(*files[0], parse_month(str(month.value or "")))

    def look(by: Signature) -> LoadedBalances:
        return load_opening_balances(asked(), by, visit.settings, preview=True)

    def load(by: Signature) -> str:
        load_opening_balances(asked(), by, visit.settings)
        return visit.address("setup")

    title = texts("balances.load")
    act = Act(Role.CLOSE, "load opening balances", lambda: f"{asked().name} {asked().month:%Y-%m}")
    change: Change[LoadedBalances] = Change(title, act, look, partial(_loaded, visit), load)
    with previewed_dialog(visit, title, change) as fields:
        Tag("code", "email, name, service, amount, currency", lang="en")
        upload = ui.upload(
            label=texts("balances.file"), on_upload=take, auto_upload=True, max_files=1, max_file_size=_LARGEST_FILE
        )
        upload.props('accept=".csv,text/csv" flat bordered').classes("full-width")
        month = ui.input(texts("balances.month")).props(f"{FIELD} type=month stack-label")
        taken = ui.input().classes("hidden")  # nobody sees it: it tells that the file is another
        fields += [month, taken]


def _loaded(visit: Visit, found: LoadedBalances) -> None:
    """What each currency comes to, and the lines."""
    texts = visit.texts
    for currency, total in found.totals.items():
        count = sum(each.currency == currency for each in found.balances)
        Tag("p", texts("balances.total", count=count, amount=texts.amount(total, currency)))
    with Tag("ul", classes="rows"):
        for each in found.balances[:_MOST_SHOWN]:
            with Tag("li"), Tag("div", classes="row-in"):
                Tag("span", each.email, classes="what")
                Tag("span", each.service)
                Tag("strong", texts.amount(each.amount, each.currency), classes="money")
                if each.new_contract:
                    Tag("span", texts("balances.new"), classes="detail small")
    if len(found.balances) > _MOST_SHOWN:
        ui.label(texts("home.more", count=len(found.balances) - _MOST_SHOWN)).classes("soft")


def _ask_to_revert(visit: Visit, load: OpeningBalances) -> None:
    texts = visit.texts

    def revert(by: Signature) -> None:
        revert_opening_balances(load.id or 0, by, visit.settings)

    act = Act(Role.CLOSE, "revert opening balances", lambda: load.id)
    with signed_dialog(visit, texts("balances.revert"), act, revert):
        ui.label(texts("balances.revert.why")).classes("soft")
