"""The common style of the figures, and how matplotlib draws them.

Text is never parsed as formulas; figures are SVG with text as text.
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
INK, QUIET, GRID = "#24292f", "#5b6470", "#e3e6ea"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
CSS = '<style type="text/css">'
RC_PARAMS: Any = {
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
    "grid.color": GRID,
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
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Style:
    """How a population is drawn in every figure."""

    color: str
    marker: str
    strong: bool = False


# Hues of Okabe & Ito, distinct to colour-blind people; baselines muted, each with its marker.
STYLES = {
    "samples": Style("#0072b2", "o", True),
    "zoo": Style("#2f353d", "s", True),
    "collected": Style("#8b929b", "s"),
    "untrained": Style("#b58aa8", "v"),
    "zoo_noise": Style("#d9a23b", "X"),
    "interpolation": Style("#7bb8d8", "D"),
    "soup": Style("#a7b86b", "p"),
    "gaussian": Style("#d3784a", "^"),
    "retrained": Style("#4f9e83", "P"),
}


def style_of(population: str) -> Style:
    """The style of a population; grey stars for third-party baselines."""
    return STYLES.get(population, Style("#9aa1a9", "*"))


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: its anchor, a word without spaces.
        caption: a sentence or two: what is shown, and how to read it.
        alt: the content in words, for readers who cannot see it.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str

    @property
    def uri(self) -> str:
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


def to_svg(draw: Callable[[Figure], None], size: tuple[float, float] = SIZE) -> str:
    """What ``draw`` puts on an empty figure; the user's own matplotlib settings do not matter.

    Args:
        size: in inches.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC_PARAMS)
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=size, layout=layout)
        draw(figure)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata=NO_METADATA)
    # Laid out with the widths of DejaVu, which is wider than the fonts of most systems.
    text = drawn.getvalue()
    return text[text.index("<svg") :].replace(CSS, f"{CSS}text{{font-family:{FONT}!important}}", 1)


def log_ticks(axis: Any, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis from ``low`` to ``high``."""
    wide = high > 5 * low
    axis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0), numticks=12) if wide else MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def log2_axis(axes: Axes, counts: list[int]) -> None:
    """A logarithmic x axis for 1, 2, 4, ..., with at most nine labels."""
    axes.set_xscale("log", base=2)
    every = 1 + (len(counts) - 1) // 9
    axes.xaxis.set_major_locator(FixedLocator(counts[::-1][::every][::-1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def legend(axes: Axes | Figure, **options: Any) -> None:
    """The names of populations; of a whole figure, above it."""
    place = {"loc": "outside upper left"} if isinstance(axes, Figure) else {"loc": "best"}
    axes.legend(**(place | {"handlelength": 1.2, "columnspacing": 1.0} | options))


def series(population: str) -> dict[str, Any]:
    """Colour, marker and label of a population, as arguments of lines and points."""
    style = style_of(population)
    return {"color": style.color, "marker": style.marker, "label": label(population)}
