"""Loss barriers between pairs of networks, as they are and after matching."""

from __future__ import annotations

from wflow_plugins.report.data import POPULATIONS, RunData
from wflow_plugins.report.figures.canvas import SIZE, Picture, Style, style_of
from wflow_plugins.report.figures.strips import Strip, strip_plot
from wflow_plugins.report.names import label
from wflow_plugins.report.numbers import format_short

KINDS = {"as_is": "as is", "matched": "matched"}


def barriers(run: RunData) -> Picture | None:
    """Two rows a population; None where no barrier was measured."""
    rows = [
        row
        for name in POPULATIONS
        for kind, text in KINDS.items()
        for row in Strip.of(
            f"{label(name)}, {text}",
            Style(style_of(name).color, "o", kind == "matched"),
            run.per_network(name, "loss_barrier", kind),
            is_core=True,
        )
    ]
    if not rows:
        return None
    means = ", ".join(f"{row.name} {format_short(row.values.mean().item())}" for row in rows)
    return Picture(
        "barriers",
        "Loss barriers",
        "How much the loss rises halfway between two networks; a dot is one pair, first as they "
        "are, then with the units of one matched to the other. At 0 both lie in one basin.",
        f"Mean loss barriers: {means}.",
        strip_plot(rows, "loss at the midpoint minus mean of the ends", SIZE, zero=True),
    )
