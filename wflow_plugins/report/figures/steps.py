"""The main score by the number of solver steps."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import INK, STYLES, Picture, legend, log2_axis, to_svg
from wflow_plugins.report.names import capitalize
from wflow_plugins.report.numbers import format_short
from wflow_plugins.report.steps import StepsCurve


def steps(run: RunData, curve: StepsCurve) -> Picture:
    """Mean of the samples with two standard errors, and the mean of the zoo."""
    counts = list(curve.values)
    means = [v.mean().item() for v in curve.values.values()]
    errors = [2 * v.std().item() / len(v) ** 0.5 for v in curve.values.values()]
    zoo = run.mean("zoo", curve.score)

    def draw(figure: Figure) -> None:
        axes, color = figure.subplots(), STYLES["samples"].color
        low, high = zip(*((m - e, m + e) for m, e in zip(means, errors, strict=True)), strict=True)
        axes.fill_between(counts, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(counts, means, color=color, marker="o", markersize=5.5, label="samples")
        axes.plot(curve.own, means[-1], "o", markersize=11, markerfacecolor="none",
                  markeredgecolor=INK, markeredgewidth=1.4, linestyle="none",
                  label=f"this run: {curve.own}")  # fmt: skip
        if zoo is not None:
            axes.axhline(zoo, color=STYLES["zoo"].color, linestyle=(0, (4, 3)), linewidth=1.4,
                         label="zoo")  # fmt: skip
        log2_axis(axes, counts)
        axes.set_xlabel("solver steps")
        axes.set_ylabel(curve.score)
        legend(axes)

    text = ", ".join(f"{n}: {format_short(m)}" for n, m in zip(counts, means, strict=True))
    fewest = len(next(iter(curve.values.values())))
    return Picture(
        "steps",
        f"{capitalize(curve.score)} by solver steps",
        f"Mean over single networks, within two standard errors: {fewest} networks from the same "
        "initial points for each number of steps, and for the last the run's own samples.",
        f"Mean {curve.score} of samples by solver steps: {text}.",
        to_svg(draw),
    )
