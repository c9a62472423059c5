"""The distribution of a score over single networks, a row a population."""

from __future__ import annotations

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import SIZE, Picture, style_of
from wflow_plugins.report.figures.strips import Strip, strip_plot
from wflow_plugins.report.names import capitalize, label
from wflow_plugins.report.numbers import format_short

CORE = ("samples", "zoo")


def distribution(run: RunData, score: str) -> Picture | None:
    """None where the score was not measured."""
    rows = [
        row
        for name in run.numbers
        for row in Strip.of(label(name), style_of(name), run.per_network(name, score), name in CORE)
    ]
    if not rows:
        return None
    medians = ", ".join(f"{row.name} {format_short(row.values.median().item())}" for row in rows)
    better = "right" if run.sign(score) > 0 else "left"
    return Picture(
        f"distribution-{run.scores.index(score)}",
        f"{capitalize(score)} of single networks",
        "A dot is one network on the test split, the line nine tenths of them, the bar the middle "
        f"half, the ring the median; better is to the {better}. A number at an edge counts "
        "networks beyond it.",
        f"Medians of {score}: {medians}.",
        strip_plot(rows, score, SIZE),
    )
