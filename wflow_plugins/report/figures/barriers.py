"""Loss barriers between pairs of networks, as they come and after matching."""

from __future__ import annotations

from wflow_plugins.report.data import OWN, RunData
from wflow_plugins.report.figures.canvas import SIZE, Look, Picture, look
from wflow_plugins.report.figures.strips import Strip, strips
from wflow_plugins.report.names import label
from wflow_plugins.report.verdict import short

KINDS = {"as_is": "as is", "matched": "matched"}


def barriers(run: RunData) -> Picture | None:
    """Two rows a population; None where no barrier was measured."""
    rows = [
        row
        for name in OWN
        for kind, said in KINDS.items()
        for row in Strip.of(
            f"{label(name)}, {said}",
            Look(look(name).color, "o", kind == "matched"),
            run.each(name, "loss_barrier", kind),
            core=True,
        )
    ]
    if not rows:
        return None
    told = ", ".join(f"{row.name} {short(row.values.mean().item())}" for row in rows)
    return Picture(
        "barriers",
        "Loss barriers",
        "How much the loss rises halfway between two networks; a dot is one pair, first as they "
        "come, then with the units of one matched to the other. At 0 both lie in one basin.",
        f"Mean loss barriers: {told}.",
        strips(rows, "loss at the midpoint minus mean of the ends", SIZE, zero=True),
    )
