"""Rows of points, one row a population: every network, the middle half, the median.

Shapes: n values of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from wflow_plugins.report.figures.canvas import INK, QUIET, Look, svg
from wflow_plugins.report.figures.ranges import Spread, focus, scattered

MOST = 300
"""Points of a row that are drawn."""
MARGIN = 0.12
"""Of the axis, kept free at an end for the numbers of what lies beyond it."""


@dataclass(frozen=True)
class Strip:
    """A row: its name, how it looks, and ``[n]`` finite values; a ``core`` row decides the axis."""

    name: str
    look: Look
    values: Tensor
    core: bool = False

    @classmethod
    def of(cls, name: str, look: Look, values: Tensor | None, core: bool = False) -> list[Strip]:
        """The row, none without values; those that are not finite are counted in its name."""
        kept = values[values.isfinite()] if values is not None else ()
        lost = len(values) - len(kept) if values is not None else 0
        name = f"{name} ({lost} not finite)" if lost else name
        return [cls(name, look, kept, core)] if isinstance(kept, Tensor) and len(kept) else []


def strips(rows: list[Strip], label: str, size: tuple[float, float], zero: bool = False) -> str:
    """The rows from top to bottom over one axis; ``zero`` draws a line at 0."""
    spreads = [Spread.of(row.values) for row in rows]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        core = [s for row, s in zip(rows, spreads, strict=True) if row.core]
        low, high = focus(core or spreads, spreads)
        axes.set_xlim(*_with_margins(rows, spreads, low, high))
        for place, (row, spread) in enumerate(zip(rows, spreads, strict=True)):
            _row(axes, place, row, spread, (low, high))
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set(color=INK, fontweight="bold" if row.look.strong else "normal")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)
        if zero:
            axes.axvline(0, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)

    return svg(draw, size)


def _with_margins(
    rows: list[Strip], spreads: list[Spread], low: float, high: float
) -> tuple[float, float]:
    """The limits, further out at an end where a row that is drawn has values beyond it."""
    drawn = [r.values for r, s in zip(rows, spreads, strict=True) if low <= s.median <= high]
    below, above = any((v < low).any() for v in drawn), any((v > high).any() for v in drawn)
    margin = MARGIN * (high - low)
    return low - margin * below, high + margin * above


def _row(axes: Axes, place: int, row: Strip, spread: Spread, limits: tuple[float, float]) -> None:
    """Points and bars within the limits, and what lies beyond them as a number."""
    (low, high), color = limits, row.look.color
    if not low <= spread.median <= high:
        _off(axes, place, row, spread.median < low, f"median {spread.median:.3g}")
        return
    points = row.values[torch.linspace(0, len(row.values) - 1, min(MOST, len(row.values))).long()]
    heights = place + 0.2 + 0.17 * scattered(len(points))
    inside = (points >= low) & (points <= high)
    axes.scatter(
        points[inside].tolist(), heights[inside].tolist(), s=8, color=color, linewidths=0,
        alpha=0.5 if row.look.strong else 0.45, zorder=2,
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
            _off(axes, place, row, below, str(count))


def _off(axes: Axes, place: int, row: Strip, below: bool, text: str) -> None:
    """What lies beyond an end of the axis, said there."""
    axes.annotate(
        f"‹ {text}" if below else f"{text} ›",
        (0.0 if below else 1.0, place), xycoords=axes.get_yaxis_transform(),
        xytext=(3 if below else -3, 0), textcoords="offset points", va="center",
        ha="left" if below else "right", color=QUIET, fontsize=9, zorder=6,
    )  # fmt: skip
