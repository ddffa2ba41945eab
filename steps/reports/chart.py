"""The roll-forward as a picture: what was accrued each month, and what was still deferred after it."""

from io import BytesIO
from typing import Literal, cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from steps.reports.roll_forward import RollForwardChain, RollForwardLine

_SIZE_INCHES, _DOTS_PER_INCH = (10, 5), 120
_ACCRUED_COLOUR, _DEFERRED_COLOUR = "#2a78b8", "#d9822b"
_MOST_LABELS = 24
"""Of months, along the bottom; of more every second or third one is named."""

PictureFormat = Literal["png", "svg"]


def draw_roll_forward(report: RollForwardChain, currency: str, picture_format: str = "png") -> bytes:
    """One currency's months as a PNG or SVG image.

    A figure of its own and no state of the plotting library's, so that threads and flows may draw at once.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw(axes, [f"{month.month:%b %Y}" for month in report.months], [m.line(currency) for m in report.months])
    axes.set_title(f"Accrued and deferred revenue, {report.window}, in {currency}", fontsize=14, loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)  # within the axes it would hide a month
    file = BytesIO()
    figure.savefig(file, format=cast(PictureFormat, picture_format))
    return file.getvalue()


def _draw(axes: Axes, labels: list[str], lines: list[RollForwardLine]) -> None:
    places = range(len(lines))
    # Binary floats are good enough for the height of a bar: no amount is ever read back from a picture.
    axes.bar(places, [float(line.accrued) for line in lines], 0.6, color=_ACCRUED_COLOUR, label="accrued in the month")
    axes.plot(
        places,
        [float(line.closing) for line in lines],
        color=_DEFERRED_COLOUR,
        marker="o",
        linewidth=2,
        label="deferred at its end",
    )
    step = -(-len(lines) // _MOST_LABELS)
    axes.set_xticks(list(places)[::step], labels[::step], rotation=45, ha="right")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.axhline(0, color="#333333", linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
