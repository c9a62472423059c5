"""Headings of columns, where a grid gives none: what is measured, and of whom."""

from __future__ import annotations

from collections.abc import Sequence

from wflow_plugins.sweep.grid import Column

NAMES = {
    "model_average": "average",
    "nearest_ratio": "nearest",
    "spread_ratio": "spread",
    "wrong_iou": "wrong IoU",
    "spearman": "Spearman",
    "r2": "R2",
    "rmse": "RMSE",
    "mae": "MAE",
    "ece": "ECE",
    "nll": "NLL",
}
"""What measures are called where their name will not do."""
UNSAID = ("samples", "nulls", "novelty")
"""Beginnings of paths that the rest says, or that go without saying."""


def labels(columns: Sequence[Column]) -> list[str]:
    """The heading of each column; the path where another column would have the same."""
    wanted = [column.label or label(column.path) for column in columns]
    return [
        found if column.label or wanted.count(found) == 1 else column.path
        for column, found in zip(columns, wanted, strict=True)
    ]


def label(path: str) -> str:
    """``samples.wrong_iou.max -> wrong IoU max``, ``zoo.r2 -> zoo R2``."""
    first, *rest = path.split(".")
    names = rest if rest and first in UNSAID else [first, *rest]
    return " ".join(NAMES.get(name, name.replace("_", " ")) for name in names)
