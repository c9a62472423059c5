"""The model average by the number of networks in it."""

from __future__ import annotations

from matplotlib.figure import Figure

from wflow_plugins.report.data import LOSS, RunData
from wflow_plugins.report.figures.canvas import Picture, legend, log2_axis, series, style_of, to_svg
from wflow_plugins.report.names import label
from wflow_plugins.report.numbers import as_number, format_short, join_words, lookup

SHOWN = ("samples", "zoo", "retrained")


def average(run: RunData) -> Picture | None:
    """The main score and the loss, one above the other; None where neither was measured."""
    scores = [s for s in dict.fromkeys([*run.scores[:1], LOSS]) if _curve(run, "samples", s)]
    if not scores:
        return None
    curves = {(p, s): _curve(run, p, s) for p in SHOWN for s in scores}
    longest = max(curves.values(), key=len)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
        for axes, score in zip(panels, scores, strict=True):
            for population in reversed(SHOWN):
                if points := curves[population, score]:
                    strong = style_of(population).strong
                    axes.plot(list(points), list(points.values()), **series(population),
                              markersize=4.5, linewidth=2.2 if strong else 1.5)  # fmt: skip
            axes.set_ylabel(score)
            log2_axis(axes, list(longest))
        panels[-1].set_xlabel("networks averaged")
        handles, labels = panels[0].get_legend_handles_labels()
        legend(figure, handles=handles[::-1], labels=labels[::-1], ncols=3)

    ends = [
        f"{label(p)} {format_short(c[max(c)])} at {max(c)}"
        for (p, s), c in curves.items()
        if c and s == scores[0]
    ]
    return Picture(
        "average",
        "Model average by its size",
        f"Test {join_words(scores)} of the averaged predictions of the first 1, 2, 4, ... "
        "networks: networks that agree too much gain little by averaging.",
        f"Model average, {scores[0]}: {', '.join(ends)} networks.",
        to_svg(draw),
    )


def _curve(run: RunData, population: str, score: str) -> dict[int, float]:
    """``{size: score}`` in the order of sizes."""
    by_size = lookup(run.numbers.get(population, {}), "model_average", "by_size")
    found = by_size if isinstance(by_size, dict) else {}
    sizes = {int(n): as_number(lookup(row, score)) for n, row in found.items() if n.isdecimal()}
    return {n: value for n, value in sorted(sizes.items()) if value is not None and n > 0}
