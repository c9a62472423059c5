"""How a score is spread over single networks, a row a population."""

from __future__ import annotations

from wflow_plugins.report.data import RunData
from wflow_plugins.report.figures.canvas import SIZE, Picture, look
from wflow_plugins.report.figures.strips import Strip, strips
from wflow_plugins.report.names import heading, label
from wflow_plugins.report.verdict import short

CORE = ("samples", "zoo")


def distribution(run: RunData, score: str) -> Picture | None:
    """None where the score was not measured."""
    rows = [
        row
        for name in run.numbers
        for row in Strip.of(label(name), look(name), run.each(name, score), name in CORE)
    ]
    if not rows:
        return None
    medians = ", ".join(f"{row.name} {short(row.values.median().item())}" for row in rows)
    better = "right" if run.sign(score) > 0 else "left"
    return Picture(
        f"distribution-{run.scores.index(score)}",
        f"{heading(score)} of single networks",
        "A dot is one network on the test split, the line nine tenths of them, the bar the middle "
        f"half, the ring the median; better is to the {better}. A number at an edge counts "
        "networks beyond it.",
        f"Medians of {score}: {medians}.",
        strips(rows, score, SIZE),
    )
