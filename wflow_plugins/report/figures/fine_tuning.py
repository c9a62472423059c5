"""Networks as initialisations: the score along further training, a figure a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import (
    QUIET,
    STYLES,
    Picture,
    Style,
    legend,
    style_of,
    to_svg,
)
from wflow_plugins.report.figures.ranges import Quantiles, axis_limits
from wflow_plugins.report.names import label
from wflow_plugins.report.numbers import as_number, format_short, lookup

NAME = "fine_tuning"
INITIAL, FRESH = "starts of samples", "fresh initialiser"
OTHERS = ("zoo", "gaussian", "zoo_noise", "interpolation", "soup")
REFERENCES = {INITIAL: Style(STYLES["samples"].color, "o"), FRESH: STYLES["untrained"]}
"""Curves that belong to the samples, or to none of the populations."""


@dataclass(frozen=True)
class Line:
    """``{step: mean score}`` in the order of steps; ``errors`` are standard errors, if known."""

    name: str
    style: Style
    points: dict[int, float]
    errors: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Curves:
    """The content of one figure: lines in the order of their importance, the samples first."""

    score: str
    target: float
    lines: list[Line]


def fine_tuning(run: RunData) -> Iterator[Picture]:
    """A figure for the run's task, and one for each other task with such curves."""
    others = [name for name in run.numbers.get("samples", {}) if name != NAME]
    for i, path in enumerate([(NAME,), *((name, NAME) for name in others)]):
        if curves := _curves(run, path):
            where = f" on {path[0]}" if path[1:] else ""
            yield _picture(curves, f"fine-tuning-{i}" if i else "fine-tuning", where)


def _curves(run: RunData, path: tuple[str, ...]) -> Curves | None:
    """The curves at a path of names in each population; None where there are none."""
    own = lookup(run.numbers, "samples", *path)
    target = lookup(own, "target")
    if not isinstance(target, dict) or not target:
        return None
    score, value = next(iter(target.items()))
    points = _means(lookup(own, "curve"), score)
    errors = _errors(run, path, points, score)
    lines = [Line(label("samples"), style_of("samples"), points, errors)]
    initial, fresh = lookup(own, "from_initial", "curve"), lookup(own, "fresh")
    for name, curve in ((INITIAL, initial), (FRESH, fresh)):
        lines.append(Line(name, REFERENCES[name], _means(curve, score)))
    for name in OTHERS:
        curve = lookup(run.numbers, name, *path, "curve")
        lines.append(Line(label(name), style_of(name), _means(curve, score)))
    return Curves(score, value, [line for line in lines if line.points]) if points else None


def _means(curve: Any, score: str) -> dict[int, float]:
    """``{step: mean}`` of ``{step: {score: mean, or mean and standard deviation}}``."""
    rows = curve.items() if isinstance(curve, dict) else ()
    found = {int(step): lookup(row, score) for step, row in rows if step.isdecimal()}
    means = {
        n: as_number(lookup(v, "mean") if isinstance(v, dict) else v) for n, v in found.items()
    }
    return {step: mean for step, mean in sorted(means.items()) if mean is not None}


def _errors(
    run: RunData, path: tuple[str, ...], steps: dict[int, float], score: str
) -> list[float]:
    """Standard errors of the samples; none where one step lacks them."""
    found = [run.per_network("samples", *path, "curve", str(step), score) for step in steps]
    known = [values for values in found if values is not None and len(values) > 1]
    return [v.std().item() / len(v) ** 0.5 for v in known] if len(known) == len(found) else []


def _picture(curves: Curves, anchor: str, where: str) -> Picture:
    ends = [(line.name, list(line.points.values())) for line in curves.lines]
    text = "; ".join(
        f"{name} from {format_short(of[0])} to {format_short(of[-1])}" for name, of in ends
    )
    return Picture(
        anchor,
        f"Networks as initialisations{where}",
        f"Mean test {curves.score} as networks are trained further, all in the same batches, the "
        "samples within two standard errors. The dashed line is what fresh draws of the "
        "initialiser reach in the end: networks that cross it early are good initialisations.",
        f"Mean {curves.score} along training: {text}; target {format_short(curves.target)}.",
        to_svg(lambda figure: _draw(figure, curves)),
    )


def _draw(figure: Figure, curves: Curves) -> None:
    axes = figure.subplots()
    axes.axhline(curves.target, color=QUIET, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for line in reversed(curves.lines):
        _line(axes, line)
    spreads = [Quantiles.of(torch.tensor(list(line.points.values()))) for line in curves.lines]
    pairs = zip(spreads, curves.lines, strict=True)
    core = [s for s, line in pairs if line.style.strong or line.name in REFERENCES]
    axes.set_ylim(*axis_limits([*core, Quantiles.of(torch.tensor([curves.target]))], spreads))
    _steps(axes, sorted({step for line in curves.lines for step in line.points}))
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel(curves.score)
    handles, labels = axes.get_legend_handles_labels()
    legend(figure, handles=handles[::-1], labels=labels[::-1], ncols=4)


def _line(axes: Axes, line: Line) -> None:
    steps, means = list(line.points), list(line.points.values())
    style, is_initial = line.style, line.name == INITIAL
    if line.errors:
        low, high = ([m + k * e for m, e in zip(means, line.errors, strict=True)] for k in (-2, 2))
        axes.fill_between(steps, low, high, color=style.color, alpha=0.15, linewidth=0)
    axes.plot(
        steps, means, color=style.color, marker=style.marker, markersize=4.5, label=line.name,
        linewidth=2.2 if style.strong else 1.5, linestyle=(0, (1, 1.5)) if is_initial else "solid",
        markerfacecolor="white" if is_initial else style.color,
    )  # fmt: skip


def _steps(axes: Axes, steps: list[int]) -> None:
    """An axis that is logarithmic from 1 on, with 0 beside it; the last step always has a label."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.3)
    axes.set_xlim(-0.3, 1.12 * steps[-1])
    every = 1 + (len(steps) - 1) // 9
    axes.xaxis.set_major_locator(FixedLocator(sorted({steps[0], *steps[::-1][::every]})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
