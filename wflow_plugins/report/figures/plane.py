"""Zoo and samples along the first two principal components of the zoo."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import Picture, legend, series, to_svg
from wflow_plugins.report.plane import principal_plane


def pca_plane(run: RunData) -> Picture | None:
    """None where the zoo does not vary in two directions, or networks exceed the memory budget."""
    if run.exceeds_memory:
        return None
    found = principal_plane(run.flow.sampled.architecture.symmetry, run.zoo, run.samples)
    if found is None:
        return None
    first, second = (f"{100 * fraction:.2g} %" for fraction in found.explained.tolist())

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, points in (("zoo", found.zoo), ("samples", found.samples)):
            is_samples = name == "samples"
            x, y = points.T.tolist()
            axes.scatter(
                x, y, **series(name), s=20 if is_samples else 9, edgecolors="white",
                linewidths=0.5 if is_samples else 0, alpha=0.9 if is_samples else 0.45,
                zorder=3 if is_samples else 2,
            )  # fmt: skip
        axes.set_xlabel(f"first component: {first} of the zoo's variance")
        axes.set_ylabel(f"second: {second}")
        legend(figure, ncols=2, markerscale=1.6)

    ratios = " and ".join(f"{r:.2f}" for r in (found.samples.std(0) / found.zoo.std(0)).tolist())
    return Picture(
        "plane",
        "Principal components of weight space",
        "Aligned networks along the two directions in which the zoo varies most. Samples should "
        "cover the zoo, and neither shrink to its middle nor leave it; the figure shows nothing of "
        "the other directions, which have the rest of the variance.",
        f"Principal components of the zoo, {first} and {second} of its variance; the samples' "
        f"standard deviation along them is {ratios} times the zoo's.",
        to_svg(draw),
    )
