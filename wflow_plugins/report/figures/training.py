"""The training curve: loss and held-out loss, and the average that was chosen."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import RunData, number
from wflow_plugins.report.figures.canvas import INK, LOOKS, QUIET, Picture, legend, log_ticks, svg
from wflow_plugins.report.verdict import short

Points = list[tuple[float, float]]


def training(run: RunData) -> Picture | None:
    """None where training was evaluated less than twice: a dot is no curve."""
    held = _curve(run.history, "held_out_loss")
    if len(held) < 2:
        return None
    at, least = min(held, key=lambda point: point[1])
    return Picture(
        "training",
        "Training of the flow",
        "Flow loss of the pairs trained on, and of training runs held out; below, how far samples "
        "spread beside held-out networks, units as they come: near 1, or above it where an aligned "
        "zoo meets a velocity to which the order of units is all one. The ring is the average "
        "that was kept: the lowest held-out loss.",
        f"Held-out loss falls from {short(held[0][1])} to {short(least)} at iteration {at:g}, "
        f"which was chosen; it ends at {short(held[-1][1])}.",
        svg(lambda figure: _draw(figure, run.history, held, (at, least))),
    )


def _draw(
    figure: Figure, history: list[dict[str, float]], held: Points, chosen: tuple[float, float]
) -> None:
    loss, spread = _curve(history, "loss"), _curve(history, "spread_ratio")
    ratios = [3, 1] if spread else [1]
    axes, *below = figure.subplots(
        len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios
    )[:, 0]
    style = {"marker": "o" if len(held) < 3 else "", "markersize": 4}
    axes.plot(*_split(loss), color=LOOKS["collected"].color, linewidth=1.4, label="training loss",
              **style)  # fmt: skip
    axes.plot(*_split(held), color=LOOKS["samples"].color, linewidth=2.2, label="held-out loss",
              **style)  # fmt: skip
    axes.plot(*chosen, "o", markersize=9, markerfacecolor="none", markeredgecolor=INK,
              markeredgewidth=1.6, linestyle="none", label=f"chosen: {chosen[0]:g}")  # fmt: skip
    axes.set_yscale("log")
    values = _split(loss + held)[1]
    log_ticks(axes.yaxis, min(values), max(values))
    axes.set_ylabel("flow loss")
    legend(axes)
    for panel in below:
        panel.axhline(1, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        panel.plot(*_split(spread), color=LOOKS["samples"].color, **style)
        panel.set_ylabel("spread")
    (below or [axes])[-1].set_xlabel("iteration")


def _curve(history: list[dict[str, float]], name: str) -> Points:
    """``(iteration, value)``, of values that a logarithm takes."""
    found = [(number(row.get("iteration")), number(row.get(name))) for row in history]
    return [(x, y) for x, y in found if x is not None and y is not None and y > 0]


def _split(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
