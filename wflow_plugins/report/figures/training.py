"""Training curves: training and validation loss, the spread of samples, the choice of weights."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import (
    INK,
    QUIET,
    STYLES,
    Picture,
    legend,
    log_ticks,
    to_svg,
)
from wflow_plugins.report.numbers import as_number, format_short

Points = list[tuple[float, float]]


def training(run: RunData) -> Picture | None:
    """None with fewer than two validations: a single point is no curve."""
    validation = _curve(run.history, "val_loss")
    if len(validation) < 2:
        return None
    iteration, lowest = min(validation, key=lambda point: point[1])
    return Picture(
        "training",
        "Training of the flow",
        "Flow matching loss on the pairs trained on, and on training runs held out for validation; "
        "below, the spread of samples over that of held-out networks, without aligning units: near "
        "1, or above it where the zoo is aligned and the velocity is permutation equivariant. The "
        "ring marks the averaged weights that were kept: those of the lowest validation loss.",
        f"Validation loss falls from {format_short(validation[0][1])} to {format_short(lowest)} at "
        f"iteration {iteration:g}, which was chosen; it ends at {format_short(validation[-1][1])}.",
        to_svg(lambda figure: _draw(figure, run.history, validation, (iteration, lowest))),
    )


def _draw(
    figure: Figure, history: list[dict[str, float]], validation: Points, chosen: tuple[float, float]
) -> None:
    loss, spread = _curve(history, "loss"), _curve(history, "spread_ratio")
    ratios = [3, 1] if spread else [1]
    axes, *below = figure.subplots(
        len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios
    )[:, 0]
    style = {"marker": "o" if len(validation) < 3 else "", "markersize": 4}
    axes.plot(*_split(loss), color=STYLES["collected"].color, linewidth=1.4, label="training loss",
              **style)  # fmt: skip
    axes.plot(*_split(validation), color=STYLES["samples"].color, linewidth=2.2,
              label="validation loss", **style)  # fmt: skip
    axes.plot(*chosen, "o", markersize=9, markerfacecolor="none", markeredgecolor=INK,
              markeredgewidth=1.6, linestyle="none", label=f"chosen: {chosen[0]:g}")  # fmt: skip
    axes.set_yscale("log")
    values = _split(loss + validation)[1]
    log_ticks(axes.yaxis, min(values), max(values))
    axes.set_ylabel("flow loss")
    legend(axes)
    for panel in below:
        panel.axhline(1, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        panel.plot(*_split(spread), color=STYLES["samples"].color, **style)
        panel.set_ylabel("spread")
    (below or [axes])[-1].set_xlabel("iteration")


def _curve(history: list[dict[str, float]], name: str) -> Points:
    """``(iteration, value)``, of positive values, as the axis is logarithmic."""
    found = [(as_number(row.get("iteration")), as_number(row.get(name))) for row in history]
    return [(x, y) for x, y in found if x is not None and y is not None and y > 0]


def _split(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
