"""The main score by the number of solver steps."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import INK, LOOKS, Picture, doubling, legend, svg
from wflow_plugins.report.names import heading
from wflow_plugins.report.steps import Curve
from wflow_plugins.report.verdict import short


def steps(run: RunData, curve: Curve) -> Picture:
    """Mean of the samples with two standard errors, and the zoo's mean to hold it against."""
    counts = list(curve.values)
    means = [v.mean().item() for v in curve.values.values()]
    errors = [2 * v.std().item() / len(v) ** 0.5 for v in curve.values.values()]
    zoo = run.mean("zoo", curve.score)

    def draw(figure: Figure) -> None:
        axes, color = figure.subplots(), LOOKS["samples"].color
        low, high = zip(*((m - e, m + e) for m, e in zip(means, errors, strict=True)), strict=True)
        axes.fill_between(counts, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(counts, means, color=color, marker="o", markersize=5.5, label="samples")
        axes.plot(curve.own, means[-1], "o", markersize=11, markerfacecolor="none",
                  markeredgecolor=INK, markeredgewidth=1.4, linestyle="none",
                  label=f"this run: {curve.own}")  # fmt: skip
        if zoo is not None:
            axes.axhline(zoo, color=LOOKS["zoo"].color, linestyle=(0, (4, 3)), linewidth=1.4,
                         label="zoo")  # fmt: skip
        doubling(axes, counts)
        axes.set_xlabel("solver steps")
        axes.set_ylabel(curve.score)
        legend(axes)

    told = ", ".join(f"{n}: {short(m)}" for n, m in zip(counts, means, strict=True))
    fewest = len(next(iter(curve.values.values())))
    return Picture(
        "steps",
        f"{heading(curve.score)} by solver steps",
        f"Mean over single networks, within two standard errors: {fewest} networks from the same "
        "starts for each number of steps, and at the last the run's own samples.",
        f"Mean {curve.score} of samples by solver steps: {told}.",
        svg(draw),
    )
