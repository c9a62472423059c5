"""The main score against the distance to the nearest zoo network.

Shapes: n networks of a population.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import (
    QUIET,
    STYLES,
    Picture,
    legend,
    series,
    style_of,
    to_svg,
)
from wflow_plugins.report.figures.ranges import Quantiles, axis_limits, jitter_ties
from wflow_plugins.report.names import capitalize, label
from wflow_plugins.report.numbers import format_short
from wflow_plugins.report.verdict import NEAREST

MAX_POINTS = 150
"""Networks of a population that are drawn."""
DISTANCE = ("novelty", "nearest")


@dataclass(frozen=True)
class Cloud:
    """A population: ``distance [n]`` to the nearest zoo network, and ``score [n]``."""

    population: str
    distance: Tensor
    score: Tensor

    @property
    def median(self) -> tuple[float, float]:
        return self.distance.median().item(), self.score.median().item()


def novelty(run: RunData) -> Picture | None:
    """None where either was not measured."""
    clouds = _clouds(run)
    if not run.scores or not any(cloud.population == "samples" for cloud in clouds):
        return None
    score = run.scores[0]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _limits(axes, clouds, run.per_network("zoo", score))
        _zoo(axes, run, score)
        for cloud in reversed(clouds):
            _cloud(axes, cloud)
        axes.set_xlabel("distance to the nearest zoo network")
        axes.set_ylabel(score)
        handles, labels = axes.get_legend_handles_labels()
        legend(figure, handles=handles[::-1], labels=labels[::-1], ncols=4, markerscale=1.4)

    medians = "; ".join(
        f"{label(c.population)} {format_short(c.median[1])} at distance {format_short(c.median[0])}"
        for c in clouds
    )
    return Picture(
        "novelty",
        f"{capitalize(score)} against novelty",
        "A point is one network; equal scores are drawn a little apart. Distance alone proves "
        "nothing, and a good network alone may be a copy: samples should lie where the dashed "
        "lines of the zoo cross, or beyond, and cheap baselines elsewhere.",
        f"Median {score} and distance to the nearest zoo network: {medians}.",
        to_svg(draw),
    )


def _clouds(run: RunData) -> list[Cloud]:
    found = []
    for name in run.numbers:
        distance = run.per_network(name, *DISTANCE)
        score = run.per_network(name, run.scores[0]) if run.scores else None
        if distance is not None and score is not None:
            n = min(len(distance), len(score), MAX_POINTS)  # distances are of the first networks
            finite = (distance[:n] + score[:n]).isfinite()
            found.append(Cloud(name, distance[:n][finite], score[:n][finite]))
    return [cloud for cloud in found if len(cloud.score)]


def _limits(axes: Axes, clouds: list[Cloud], zoo: Tensor | None) -> None:
    """Limits of both axes by the samples and the zoo."""
    core = [c for c in clouds if c.population in ("samples", "retrained")]
    scores = [Quantiles.of(c.score) for c in core]
    if zoo is not None and zoo.isfinite().all():
        scores.append(Quantiles.of(zoo))
    axes.set_ylim(*axis_limits(scores, [Quantiles.of(c.score) for c in clouds]))
    distances = [Quantiles.of(c.distance) for c in clouds]
    axes.set_xlim(*axis_limits(distances, distances))


def _zoo(axes: Axes, run: RunData, score: str) -> None:
    """Lines at the zoo's own score, and at its own distance between training runs."""
    style: dict[str, Any] = {
        "color": STYLES["zoo"].color,
        "linewidth": 1.2,
        "linestyle": (0, (4, 3)),
        "zorder": 1,
    }
    mean, ratio = run.mean("zoo", score), run.mean("samples", *NEAREST)
    own = run.per_network("samples", *DISTANCE)
    if mean is not None:
        axes.axhline(mean, **style, label="zoo")
    if own is not None and ratio:
        axes.axvline(own.mean().item() / ratio, **style)


def _cloud(axes: Axes, cloud: Cloud) -> None:
    low, high = axes.get_ylim()
    strong = style_of(cloud.population).strong
    (x, y), style = cloud.median, series(cloud.population)
    axes.scatter(
        cloud.distance.tolist(), jitter_ties(cloud.score).tolist(), **style, s=24 if strong else 18,
        linewidths=0.5 if strong else 0, edgecolors="white", alpha=0.9 if strong else 0.65,
        zorder=4 if strong else 3,
    )  # fmt: skip
    if not low <= y <= high:
        below, (left, right) = y < low, axes.get_xlim()
        place = (x - left) / (right - left)
        axes.annotate(
            f"{label(cloud.population)} {format_short(y)} {'↓' if below else '↑'}",
            (x, 0.0 if below else 1.0), xycoords=axes.get_xaxis_transform(),
            xytext=(0, 4 if below else -4), textcoords="offset points",
            ha="left" if place < 0.25 else "right" if place > 0.75 else "center",
            va="bottom" if below else "top", color=QUIET, fontsize=9,
            zorder=6,
        )  # fmt: skip
