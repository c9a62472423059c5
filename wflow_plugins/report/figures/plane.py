"""Zoo and samples in a plane through weight space."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import Picture, legend, named, svg
from wflow_plugins.report.plane import plane
from wflow_plugins.report.steps import too_large


def seen_from_above(run: RunData) -> Picture | None:
    """None where the zoo does not span a plane."""
    if too_large(run):
        return None
    found = plane(run.flow.sampled.assembly.architecture.symmetry, run.zoo, run.samples)
    if found is None:
        return None
    first, second = (f"{100 * share:.2g} %" for share in found.share.tolist())

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, points in (("zoo", found.zoo), ("samples", found.samples)):
            of_samples = name == "samples"
            x, y = points.T.tolist()
            axes.scatter(
                x, y, **named(name), s=20 if of_samples else 9, edgecolors="white",
                linewidths=0.5 if of_samples else 0, alpha=0.9 if of_samples else 0.45,
                zorder=3 if of_samples else 2,
            )  # fmt: skip
        axes.set_xlabel(f"first direction: {first} of the zoo's variance")
        axes.set_ylabel(f"second: {second}")
        legend(figure, ncols=2, markerscale=1.6)

    inside = found.samples.std(0) / found.zoo.std(0)
    ratios = " and ".join(f"{r:.2f}" for r in inside.tolist())
    return Picture(
        "plane",
        "Weight space from above",
        "Aligned networks along the two directions in which the zoo varies most. Samples should "
        "cover the zoo, and neither shrink to its middle nor leave it; all other directions, with "
        "the rest of the variance, are not seen.",
        f"Principal components of the zoo, {first} and {second} of its variance; the samples' "
        f"standard deviation along them is {ratios} times the zoo's.",
        svg(draw),
    )
