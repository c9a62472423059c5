"""What networks of one input say over its range: their mean, and how far they disagree.

Shapes: N networks, G points of the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from wflow_core.interfaces.objective import Regression
from wflow_core.interfaces.task import Split
from wflow_core.weights import WeightSet
from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import LOOKS, Picture, legend, look, svg
from wflow_plugins.report.names import label
from wflow_plugins.report.verdict import short

GRID, MOST = 200, 1024
"""Points of the input, and networks of a population at most."""
QUANTILES = (0.05, 0.25, 0.75, 0.95)
SIZE = (5.2, 5.4)


@dataclass(frozen=True)
class Bands:
    """``mean [G]`` and ``quantiles [4, G]`` over networks at the inputs ``x [G]``."""

    x: Tensor
    mean: Tensor
    quantiles: Tensor

    @property
    def widths(self) -> Tensor:
        """``[G]``: what nine tenths of the networks span."""
        return self.quantiles[-1] - self.quantiles[0]


def bands(run: RunData) -> Picture | None:
    """Samples above the zoo; None for a task with several inputs or values, or with classes."""
    task = run.flow.assembly.task
    shape = task.signature
    if not isinstance(task.objective, Regression) or (shape.inputs, shape.outputs) != ((1,), 1):
        return None
    train, test = task.splits["train"], task.splits["test"]
    found = {name: _bands(run, of, test) for name, of in _networks(run).items()}

    def draw(figure: Figure) -> None:
        panels = figure.subplots(2, 1, sharex=True, sharey=True)
        for axes, (name, of) in zip(panels, found.items(), strict=True):
            _panel(axes, name, of, train)
        panels[0].set_ylim(*_limits(list(found.values()), train, test))
        panels[1].set_xlabel("input")

    spans = ", ".join(
        f"{label(name)} {short(of.widths.median().item())} (at most "
        f"{short(of.widths.max().item())})"
        for name, of in found.items()
    )
    return Picture(
        "bands",
        "Predictions over the input",
        "The line is the mean over networks, the dark band the middle half of them, the light one "
        "nine tenths; dots are training data, whose noise comes on top. Bands should hug the data, "
        "and widen where there is none.",
        f"Width of the band of nine tenths of the networks, median over inputs: {spans}.",
        svg(draw, SIZE),
    )


def _networks(run: RunData) -> dict[str, WeightSet]:
    return {"samples": run.samples, "zoo": run.zoo}


@torch.no_grad()
def _bands(run: RunData, networks: WeightSet, test: Split) -> Bands:
    n = len(networks)
    if n > MOST:
        networks = networks[torch.linspace(0, n - 1, MOST, device=networks.weights.device).long()]
    low, high = test.x.min().item(), test.x.max().item()
    x = torch.linspace(low, high, GRID, device=networks.weights.device)
    architecture = run.flow.sampled.assembly.architecture
    values = architecture.batched(networks.weights, x.unsqueeze(1), networks.buffers)[..., 0]
    values = values.double().cpu()
    at = torch.tensor(QUANTILES, dtype=values.dtype)
    return Bands(x.cpu(), values.mean(0), torch.quantile(values, at, dim=0))


def _panel(axes: Axes, name: str, of: Bands, train: Split) -> None:
    x, color = of.x.tolist(), look(name).color
    outer, inner = of.quantiles[[0, 3]].tolist(), of.quantiles[[1, 2]].tolist()
    axes.fill_between(x, *outer, color=color, alpha=0.16, linewidth=0)
    axes.fill_between(x, *inner, color=color, alpha=0.3, linewidth=0)
    axes.plot(x, of.mean.tolist(), color=color, label=label(name))
    axes.scatter(
        train.x.flatten().tolist(), train.y.flatten().tolist(), s=8, linewidths=0, alpha=0.6,
        color=LOOKS["gaussian"].color, label="training data", zorder=3,
    )  # fmt: skip
    axes.set_ylabel("value")
    legend(axes, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _limits(found: list[Bands], train: Split, test: Split) -> tuple[float, float]:
    """The data whole, and bands as far as twice its height around it."""
    y = torch.cat([train.y, test.y])
    low, high = y.min().item(), y.max().item()
    reach = (high - low) or 1.0
    least = min(of.quantiles[0].min().item() for of in found)
    most = max(of.quantiles[-1].max().item() for of in found)
    pad = 0.04 * reach
    return max(low - reach, min(low, least)) - pad, min(high + reach, max(high, most)) + pad
