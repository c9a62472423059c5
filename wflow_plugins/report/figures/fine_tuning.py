"""Networks as initialisations: the score along further training, a figure a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from wflow_plugins.report.data import RunData, at, number
from wflow_plugins.report.figures.canvas import LOOKS, QUIET, Look, Picture, legend, look, svg
from wflow_plugins.report.figures.ranges import Spread, focus
from wflow_plugins.report.names import label
from wflow_plugins.report.verdict import short

NAME = "fine_tuning"
STARTS, FRESH = "starts of samples", "fresh initialiser"
OTHERS = ("zoo", "gaussian", "zoo_noise", "interpolation", "soup")
LOOKED = {STARTS: Look(LOOKS["samples"].color, "o"), FRESH: LOOKS["untrained"]}


@dataclass(frozen=True)
class Line:
    """``{step: mean score}`` in the order of steps; ``errors`` are standard errors, if known."""

    name: str
    look: Look
    points: dict[int, float]
    errors: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Curves:
    """What one figure shows: lines in the order of their importance, the samples first."""

    score: str
    target: float
    lines: list[Line]


def fine_tuning(run: RunData) -> Iterator[Picture]:
    """One for the run's own task, and one for each other task that it was measured on."""
    others = [name for name in run.numbers.get("samples", {}) if name != NAME]
    for i, place in enumerate([(NAME,), *((name, NAME) for name in others)]):
        if curves := _curves(run, place):
            where = f" on {place[0]}" if place[1:] else ""
            yield _picture(curves, f"fine-tuning-{i}" if i else "fine-tuning", where)


def _curves(run: RunData, place: tuple[str, ...]) -> Curves | None:
    """What stands under a path of names in each population; None where nothing does."""
    own = at(run.numbers, "samples", *place)
    target = at(own, "target")
    if not isinstance(target, dict) or not target:
        return None
    score, value = next(iter(target.items()))
    points = _means(at(own, "curve"), score)
    lines = [Line(label("samples"), look("samples"), points, _errors(run, place, points, score))]
    for name, curve in ((STARTS, at(own, "from_initial", "curve")), (FRESH, at(own, "fresh"))):
        lines.append(Line(name, LOOKED[name], _means(curve, score)))
    for name in OTHERS:
        curve = at(run.numbers, name, *place, "curve")
        lines.append(Line(label(name), look(name), _means(curve, score)))
    return Curves(score, value, [line for line in lines if line.points]) if points else None


def _means(curve: Any, score: str) -> dict[int, float]:
    """Of ``{step: {score: mean, or mean and spread}}``."""
    rows = curve.items() if isinstance(curve, dict) else ()
    found = {int(step): at(row, score) for step, row in rows if step.isdecimal()}
    means = {n: number(at(v, "mean") if isinstance(v, dict) else v) for n, v in found.items()}
    return {step: mean for step, mean in sorted(means.items()) if mean is not None}


def _errors(
    run: RunData, place: tuple[str, ...], steps: dict[int, float], score: str
) -> list[float]:
    """Standard errors of the samples; none where one step lacks them."""
    each = [run.each("samples", *place, "curve", str(step), score) for step in steps]
    known = [values for values in each if values is not None and len(values) > 1]
    return [v.std().item() / len(v) ** 0.5 for v in known] if len(known) == len(each) else []


def _picture(curves: Curves, anchor: str, where: str) -> Picture:
    ends = [(line.name, list(line.points.values())) for line in curves.lines]
    told = "; ".join(f"{name} from {short(of[0])} to {short(of[-1])}" for name, of in ends)
    return Picture(
        anchor,
        f"Networks as initialisations{where}",
        f"Mean test {curves.score} as networks are trained further, all in the same batches, the "
        "samples within two standard errors. The dashed line is what fresh draws of the "
        "initialiser reach in the end: what crosses it early is a good initialisation.",
        f"Mean {curves.score} along training: {told}; target {short(curves.target)}.",
        svg(lambda figure: _draw(figure, curves)),
    )


def _draw(figure: Figure, curves: Curves) -> None:
    axes = figure.subplots()
    axes.axhline(curves.target, color=QUIET, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for line in reversed(curves.lines):
        _line(axes, line)
    spreads = [Spread.of(torch.tensor(list(line.points.values()))) for line in curves.lines]
    named = zip(spreads, curves.lines, strict=True)
    core = [s for s, line in named if line.look.strong or line.name in LOOKED]
    axes.set_ylim(*focus([*core, Spread.of(torch.tensor([curves.target]))], spreads))
    _steps(axes, sorted({step for line in curves.lines for step in line.points}))
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel(curves.score)
    handles, labels = axes.get_legend_handles_labels()
    legend(figure, handles=handles[::-1], labels=labels[::-1], ncols=4)


def _line(axes: Axes, line: Line) -> None:
    steps, means = list(line.points), list(line.points.values())
    its, starts = line.look, line.name == STARTS
    if line.errors:
        low, high = ([m + k * e for m, e in zip(means, line.errors, strict=True)] for k in (-2, 2))
        axes.fill_between(steps, low, high, color=its.color, alpha=0.15, linewidth=0)
    axes.plot(
        steps, means, color=its.color, marker=its.marker, markersize=4.5, label=line.name,
        linewidth=2.2 if its.strong else 1.5, linestyle=(0, (1, 1.5)) if starts else "solid",
        markerfacecolor="white" if starts else its.color,
    )  # fmt: skip


def _steps(axes: Axes, steps: list[int]) -> None:
    """Logarithmic from 1 on, with 0 beside it; every second or so is named, the last always."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.3)
    axes.set_xlim(-0.3, 1.12 * steps[-1])
    every = 1 + (len(steps) - 1) // 9
    axes.xaxis.set_major_locator(FixedLocator(sorted({steps[0], *steps[::-1][::every]})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
