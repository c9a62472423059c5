"""Predictions of networks of one input over its range: their mean and quantiles.

Shapes: N networks, G points of the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from wflow_core.interfaces.task import Split
from wflow_core.weights import WeightSet
from wflow_plugins.objectives import Regression
from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import STYLES, Picture, legend, style_of, to_svg
from wflow_plugins.report.names import label
from wflow_plugins.report.numbers import format_short

GRID, MAX_NETWORKS = 200, 1024
"""Points of the input, and networks of a population at most."""
QUANTILES = (0.05, 0.25, 0.75, 0.95)
SIZE = (5.2, 5.4)


@dataclass(frozen=True)
class Bands:
    """Statistics over networks at inputs ``x [G]``.

    Attributes:
        mean: ``[G]``.
        quantiles: ``[4, G]``, those of ``QUANTILES``.
    """

    x: Tensor
    mean: Tensor
    quantiles: Tensor

    @property
    def widths(self) -> Tensor:
        """``[G]``: the range of the central nine tenths of the networks."""
        return self.quantiles[-1] - self.quantiles[0]


def bands(run: RunData) -> Picture | None:
    """Samples above the zoo; None for a task with several inputs or values, or with classes."""
    task = run.components.task
    shape = task.signature
    if not isinstance(task.objective, Regression) or (shape.inputs, shape.outputs) != ((1,), 1):
        return None
    train, test = task.splits["train"], task.splits["test"]
    networks = {"samples": run.samples, "zoo": run.zoo}
    found = {name: _bands(run, of, test) for name, of in networks.items()}

    def draw(figure: Figure) -> None:
        panels = figure.subplots(2, 1, sharex=True, sharey=True)
        for axes, (name, of) in zip(panels, found.items(), strict=True):
            _panel(axes, name, of, train)
        panels[0].set_ylim(*_limits(list(found.values()), train, test))
        panels[1].set_xlabel("input")

    spans = ", ".join(
        f"{label(name)} {format_short(of.widths.median().item())} (at most "
        f"{format_short(of.widths.max().item())})"
        for name, of in found.items()
    )
    return Picture(
        "bands",
        "Predictions over the input",
        "The line is the mean over networks, the dark band the middle half of them, the light one "
        "nine tenths; dots are training data, which have noise of their own. Bands should follow "
        "the data closely, and widen where there is none.",
        f"Width of the band of nine tenths of the networks, median over inputs: {spans}.",
        to_svg(draw, SIZE),
    )


@torch.no_grad()
def _bands(run: RunData, networks: WeightSet, test: Split) -> Bands:
    n = len(networks)
    if n > MAX_NETWORKS:
        index = torch.linspace(0, n - 1, MAX_NETWORKS, device=networks.weights.device)
        networks = networks[index.long()]
    low, high = test.x.min().item(), test.x.max().item()
    x = torch.linspace(low, high, GRID, device=networks.weights.device)
    architecture = run.flow.sampled.architecture
    values = architecture.batched(networks.weights, x.unsqueeze(1), networks.buffers)[..., 0]
    values = values.double().cpu()
    levels = torch.tensor(QUANTILES, dtype=values.dtype)
    return Bands(x.cpu(), values.mean(0), torch.quantile(values, levels, dim=0))


def _panel(axes: Axes, name: str, of: Bands, train: Split) -> None:
    x, color = of.x.tolist(), style_of(name).color
    outer, inner = of.quantiles[[0, 3]].tolist(), of.quantiles[[1, 2]].tolist()
    axes.fill_between(x, *outer, color=color, alpha=0.16, linewidth=0)
    axes.fill_between(x, *inner, color=color, alpha=0.3, linewidth=0)
    axes.plot(x, of.mean.tolist(), color=color, label=label(name))
    axes.scatter(
        train.x.flatten().tolist(), train.y.flatten().tolist(), s=8, linewidths=0, alpha=0.6,
        color=STYLES["gaussian"].color, label="training data", zorder=3,
    )  # fmt: skip
    axes.set_ylabel("value")
    legend(axes, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _limits(found: list[Bands], train: Split, test: Split) -> tuple[float, float]:
    """The range of all data, and of the bands what lies within its own height around it."""
    y = torch.cat([train.y, test.y])
    low, high = y.min().item(), y.max().item()
    height = (high - low) or 1.0
    least = min(of.quantiles[0].min().item() for of in found)
    most = max(of.quantiles[-1].max().item() for of in found)
    pad = 0.04 * height
    return max(low - height, min(low, least)) - pad, min(high + height, max(high, most)) + pad
