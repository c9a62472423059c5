"""Headings of columns for which a grid gives none: what is measured, and of which networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wflow_plugins.sweep.grid import Column

IMPLIED_PREFIXES = ("samples", "baselines")
"""First names of paths that a heading leaves out."""
SPELLINGS = {
    "r2": "R2",
    "rmse": "RMSE",
    "mae": "MAE",
    "ece": "ECE",
    "nll": "NLL",
    "iou": "IoU",
    "spearman": "Spearman",
}
"""Words whose letters are not all small."""


def labels(columns: Sequence[Column], headings: Mapping[str, str]) -> list[str]:
    """The heading of each column; its path where another column would have the same heading.

    Args:
        headings: those that metrics declare, by the path of the number.
    """
    wanted = [column.label or label(column.path, headings) for column in columns]
    return [
        text if column.label or wanted.count(text) == 1 else column.path
        for column, text in zip(columns, wanted, strict=True)
    ]


def label(path: str, headings: Mapping[str, str]) -> str:
    """``samples.error_iou.mean -> error IoU mean``, ``zoo.r2 -> zoo R2``."""
    first, *rest = path.split(".")
    names = rest if rest and first in IMPLIED_PREFIXES else [first, *rest]
    words = " ".join(_phrases(names, headings)).split()
    return " ".join(SPELLINGS.get(word, word) for word in words)


def _phrases(names: Sequence[str], headings: Mapping[str, str]) -> list[str]:
    """The longest declared heading at each name, else the name itself."""
    if not names:
        return []
    for end in range(len(names), 0, -1):
        if heading := headings.get(".".join(names[:end])):
            return [heading, *_phrases(names[end:], headings)]
    return [names[0].replace("_", " "), *_phrases(names[1:], headings)]
