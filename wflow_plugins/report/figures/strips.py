"""Strip plots, a row a population: every network, the middle half, the median.

Shapes: n values of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from wflow_plugins.report.figures.canvas import INK, QUIET, Style, to_svg
from wflow_plugins.report.figures.ranges import Quantiles, axis_limits, jitter

MAX_POINTS = 300
"""Points of a row that are drawn."""
MARGIN = 0.12
"""Fraction of the axis that is kept free at an end for the number of values beyond it."""


@dataclass(frozen=True)
class Strip:
    """A row: its name, its style, and ``[n]`` finite values.

    Attributes:
        is_core: the limits of the axis depend on this row.
    """

    name: str
    style: Style
    values: Tensor
    is_core: bool = False

    @classmethod
    def of(
        cls, name: str, style: Style, values: Tensor | None, is_core: bool = False
    ) -> list[Strip]:
        """The row, none without values; those that are not finite are counted in its name."""
        kept = values[values.isfinite()] if values is not None else ()
        lost = len(values) - len(kept) if values is not None else 0
        name = f"{name} ({lost} not finite)" if lost else name
        return [cls(name, style, kept, is_core)] if isinstance(kept, Tensor) and len(kept) else []


def strip_plot(rows: list[Strip], label: str, size: tuple[float, float], zero: bool = False) -> str:
    """The rows from top to bottom over one axis; ``zero`` draws a line at 0."""
    spreads = [Quantiles.of(row.values) for row in rows]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        core = [s for row, s in zip(rows, spreads, strict=True) if row.is_core]
        low, high = axis_limits(core or spreads, spreads)
        axes.set_xlim(*_with_margins(rows, spreads, low, high))
        for place, (row, spread) in enumerate(zip(rows, spreads, strict=True)):
            _row(axes, place, row, spread, (low, high))
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set(color=INK, fontweight="bold" if row.style.strong else "normal")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)
        if zero:
            axes.axvline(0, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)

    return to_svg(draw, size)


def _with_margins(
    rows: list[Strip], spreads: list[Quantiles], low: float, high: float
) -> tuple[float, float]:
    """The limits, with a margin at an end where a row that is drawn has values beyond it."""
    drawn = [r.values for r, s in zip(rows, spreads, strict=True) if low <= s.median <= high]
    below, above = any((v < low).any() for v in drawn), any((v > high).any() for v in drawn)
    margin = MARGIN * (high - low)
    return low - margin * below, high + margin * above


def _row(
    axes: Axes, place: int, row: Strip, spread: Quantiles, limits: tuple[float, float]
) -> None:
    """Points and bars within the limits; of values beyond them, their number."""
    (low, high), color = limits, row.style.color
    if not low <= spread.median <= high:
        _annotate(axes, place, row, spread.median < low, f"median {spread.median:.3g}")
        return
    points = row.values[
        torch.linspace(0, len(row.values) - 1, min(MAX_POINTS, len(row.values))).long()
    ]
    heights = place + 0.2 + 0.17 * jitter(len(points))
    inside = (points >= low) & (points <= high)
    axes.scatter(
        points[inside].tolist(), heights[inside].tolist(), s=8, color=color, linewidths=0,
        alpha=0.5 if row.style.strong else 0.45, zorder=2,
    )  # fmt: skip
    bar = [place - 0.17] * 2
    line, box = (
        [max(first, low), min(last, high)]
        for first, last in ((spread.low, spread.high), (spread.first, spread.third))
    )
    axes.plot(line, bar, color=color, linewidth=1.2, zorder=3)
    axes.plot(box, bar, color=color, linewidth=6, solid_capstyle="butt", zorder=4)
    axes.plot(
        spread.median, bar[0], marker="o", markersize=6, color="white", markeredgecolor=color,
        markeredgewidth=1.8, zorder=5,
    )  # fmt: skip
    for below, outside in ((True, row.values < low), (False, row.values > high)):
        if count := int(outside.sum()):
            _annotate(axes, place, row, below, str(count))


def _annotate(axes: Axes, place: int, row: Strip, below: bool, text: str) -> None:
    """A text at an end of the axis about values beyond it."""
    axes.annotate(
        f"‹ {text}" if below else f"{text} ›",
        (0.0 if below else 1.0, place), xycoords=axes.get_yaxis_transform(),
        xytext=(3 if below else -3, 0), textcoords="offset points", va="center",
        ha="left" if below else "right", color=QUIET, fontsize=9, zorder=6,
    )  # fmt: skip
