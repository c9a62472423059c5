"""The look of the figures, one for all, and matplotlib behind it.

Text is taken as it is, never as formulas; figures are SVG that holds its text as text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from wflow_plugins.report.names import label

SIZE = (5.2, 3.5)
INK, QUIET, LINES = "#24292f", "#5b6470", "#e3e6ea"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
CSS = '<style type="text/css">'
STYLE: Any = {
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": "#b6bcc4",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": LINES,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "wflow",
}
BARE = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Look:
    """How one population is drawn in every figure."""

    color: str
    marker: str
    strong: bool = False


# Hues of Okabe & Ito, which colour-blind people tell apart; nulls muted, each with its marker.
LOOKS = {
    "samples": Look("#0072b2", "o", True),
    "zoo": Look("#2f353d", "s", True),
    "collected": Look("#8b929b", "s"),
    "untrained": Look("#b58aa8", "v"),
    "zoo_noise": Look("#d9a23b", "X"),
    "interpolation": Look("#7bb8d8", "D"),
    "soup": Look("#a7b86b", "p"),
    "gaussian": Look("#d3784a", "^"),
    "retrained": Look("#4f9e83", "P"),
}


def look(population: str) -> Look:
    """The look of a population; grey for one that nobody has thought of."""
    return LOOKS.get(population, Look("#9aa1a9", "*"))


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: a short word without spaces, an anchor.
        caption: a sentence or two: what one sees, and how to read it.
        alt: what it shows, for who cannot see it.
        svg: the drawing.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str

    @property
    def uri(self) -> str:
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


def svg(draw: Callable[[Figure], None], size: tuple[float, float] = SIZE) -> str:
    """What ``draw`` puts on an empty figure, whatever the user's own settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=size, layout=layout)
        draw(figure)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata=BARE)
    # Placed by the widths of DejaVu, which is wider than what people's systems have.
    bare = drawn.getvalue()
    return bare[bare.index("<svg") :].replace(CSS, f"{CSS}text{{font-family:{FONT}!important}}", 1)


def log_ticks(axis: Any, low: float, high: float) -> None:
    """A logarithmic axis over these values with plain numbers."""
    wide = high > 5 * low
    axis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0), numticks=12) if wide else MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def doubling(axes: Axes, counts: list[int]) -> None:
    """An x axis of 1, 2, 4, ...: at most nine of them are named."""
    axes.set_xscale("log", base=2)
    every = 1 + (len(counts) - 1) // 9
    axes.xaxis.set_major_locator(FixedLocator(counts[::-1][::every][::-1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def legend(axes: Axes | Figure, **options: Any) -> None:
    """Names of populations, on top of the figure."""
    place = {"loc": "outside upper left"} if isinstance(axes, Figure) else {"loc": "best"}
    axes.legend(**(place | {"handlelength": 1.2, "columnspacing": 1.0} | options))


def named(population: str) -> dict[str, Any]:
    """Colour, marker and name, as lines and points take them."""
    its = look(population)
    return {"color": its.color, "marker": its.marker, "label": label(population)}
