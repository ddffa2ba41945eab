"""Rows by the thousand in one table, which the browser sorts, filters, totals and selects (listing.js)."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nicegui import events, ui

from flows.page.texts import Texts

_FEW = 20
"""Rows that need neither a filter nor a total."""


@dataclass(frozen=True)
class Column:
    """One of a `listing`."""

    name: str
    label: str
    money: bool = False
    """Two decimals, to the right; totals by the row's `currency`."""
    number: bool = False
    """To the right."""
    day: bool = False
    """On one line, as amounts and numbers are."""
    desk: bool = False
    """Left out on a phone."""


@dataclass(frozen=True)
class Choice:
    """Rows that can be selected, and an act of each."""

    chosen: Collection[int]
    choose: Callable[[list[int]], object]
    """Called with all ids that are selected now."""
    act: Callable[[int], object]
    words: dict[str, str]
    """`act` is the button; `all`, `one` and `act_of` are the names of boxes and button, which may have `{id}`."""


class Listing(ui.element, component="listing.js"):
    """What listing.js makes of the rows."""

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        """Show these rows; order, filter and selection stay."""
        self.run_method("replace", json.loads(json.dumps(rows, cls=_Amounts)))


class _Amounts(json.JSONEncoder):
    """Amounts as numbers, to sort by; listing.js adds them up as whole cents."""

    def default(self, o: Any) -> Any:
        return float(o) if isinstance(o, Decimal) else super().default(o)


def detail(texts: Texts, message: str) -> dict[str, str]:
    """Of a row: what a step, a rule or a vendor said, in the reader's language, else as it was said, in English."""
    told = texts.said(message) if message else ""
    return {"detail": message, "lang": "en"} if told is None else {"detail": told}


def listing(
    texts: Texts,
    columns: Sequence[Column],
    rows: Sequence[dict[str, Any]],
    none: str,
    *,
    name: str = "list",
    choice: Choice | None = None,
) -> Listing | None:
    """The table; sort and filter live in the address. None: there are no rows.

    Args:
        texts: the reader's.
        columns: in order.
        rows: column name -> value to sort by; `<name>_text` what is shown instead, `<name>_mark` the
            status in whose colour, `href` where the first column and amounts lead, `detail` and `more` lines below the
            first (`lang` of the first of them), `currency` of its amounts; `id` is unique.
        none: the text if there are no rows.
        name: of this listing on its view.
        choice: rows are selected.
    """
    if not rows:
        ui.label(none).classes("soft")
        return None
    shown = [
        {
            "name": each.name,
            "label": each.label,
            "field": each.name,
            "sortable": True,
            "align": "right" if each.money or each.number else "left",
            "classes": " ".join(name for name, on in (("desk", each.desk), ("day", each.day)) if on),
            "headerClasses": "desk" if each.desk else "",
            "money": each.money,
            "first": not place,
        }
        for place, each in enumerate(columns)
    ]
    packed = json.dumps(rows, cls=_Amounts, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    ui.add_body_html(f'<script type="application/json" id="{name}">{packed}</script>')
    count = texts("listing.count", shown="{shown}", all="{all}")
    words = {"filter": texts("listing.filter"), "total": texts("listing.total"), "count": count}
    words |= choice.words if choice else {}
    table = Listing()
    table.props.update(
        columns=shown, words=words, source=name, few=_FEW, language=str(texts.language), selects=choice is not None
    )
    if choice is not None:
        taken = choice
        table.props["chosen"] = sorted(taken.chosen)

        def choose(event: events.GenericEventArguments) -> None:
            taken.choose([int(each) for each in event.args])

        table.on("chosen", choose)
        table.on("act", lambda event: taken.act(int(event.args)))
    return table
