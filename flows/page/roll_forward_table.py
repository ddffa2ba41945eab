"""The roll-forward of one currency as a table, to the cent."""

from collections.abc import Iterable, Sequence

from flows.page.markup import Tag
from flows.page.visit import Visit
from steps.accruals.reports.roll_forward import RollForward, RollForwardChain, RollForwardLine
from steps.domain.money import ZERO

_COLUMNS = {
    "opening": "accruals.opening",
    "late": "accruals.late",
    "invoiced": "accruals.invoiced",
    "credited": "accruals.credited",
    "accrued": "accruals.earned",
    "closing": "accruals.closing",
}


def roll_forward_table(visit: Visit, report: RollForwardChain, currency: str) -> None:
    """A row a month and one for the year; wider than a phone, so it scrolls by itself, with the keyboard too."""
    texts = visit.texts
    names = [name for name in _COLUMNS if name != "late" or any(m.line(currency).late for m in report.months)]
    title = texts("accruals.table", currency=currency)
    with Tag("div", classes="scroll", tabindex="0", role="region", aria_label=title), Tag("table", classes="figures"):
        Tag("caption", title)
        with Tag("thead"), Tag("tr"):
            _headers([texts("accruals.month"), *(texts(_COLUMNS[name]) for name in names)])
        with Tag("tbody"):
            for month in report.months:
                with Tag("tr"):
                    _row(visit, _month_name(visit, month, currency), month.line(currency), names)
        with Tag("tfoot"), Tag("tr"):
            _row(visit, texts("accruals.sum"), report.summary(currency), names)


def _headers(names: Iterable[str]) -> None:
    for name in names:
        Tag("th", name, scope="col")


def _month_name(visit: Visit, month: RollForward, currency: str) -> str:
    wrong = " ✗" if month.line(currency).difference != ZERO else ""
    return f"{visit.texts.month_name(month.month)}{wrong}"


def _row(visit: Visit, name: str, line: RollForwardLine, names: Sequence[str]) -> None:
    Tag("th", name, scope="row")
    for column in names:
        Tag("td", visit.texts.money(getattr(line, column)))
