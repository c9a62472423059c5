"""The table at the end of a run: samples beside the zoo and the nulls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = {
    "accuracy": ("accuracy",),
    "r2": ("r2",),
    "spearman": ("spearman",),
    "rmse": ("rmse",),
    "mae": ("mae",),
    "loss": ("loss",),
    "average accuracy": ("model_average", "accuracy"),
    "average r2": ("model_average", "r2"),
    "average spearman": ("model_average", "spearman"),
    "average loss": ("model_average", "loss"),
    "wrong IoU": ("wrong_iou", "max"),
    "weights mean": ("weights", "mean"),
    "weights std": ("weights", "std"),
    "nearest": ("novelty", "nearest_ratio"),
    "spread": ("novelty", "spread_ratio"),
    "seconds": ("seconds",),
}


OF_TASKS = ("accuracy", "r2", "spearman", "average accuracy", "average r2")
"""Those that are shown of other tasks, too."""


def columns(rows: Iterable[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Name of a column -> its path in a row; the same under the names of other tasks at the end.

    Columns that nothing was measured for are left out.
    """
    rows = list(rows)
    groups = dict.fromkeys(n for r in rows for n, of in r.items() if isinstance(of, dict))
    for own, *_ in COLUMNS.values():
        groups.pop(own, None)
    others = {f"{g} {c}": (g, *COLUMNS[c]) for g in groups for c in OF_TASKS}
    known = (COLUMNS | others).items()
    return {c: path for c, path in known if any(_at(r, path) is not None for r in rows)}


def populations(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Zoo, samples and nulls, each with its numbers in one place."""
    seconds = metrics.get("seconds", {})
    samples = metrics["samples"] | {"novelty": metrics.get("novelty", {})}
    rows = {
        "zoo": metrics["zoo"] | {"seconds": seconds.get("reference", seconds.get("collect"))},
        "samples": samples | {"seconds": seconds.get("sample")},
    }
    return rows | metrics.get("nulls", {})


def print_table(metrics: dict[str, Any], console: Console | None = None) -> None:
    """Print a row for each population; columns that nothing was measured for are left out."""
    rows = populations(metrics)
    console = console or Console(width=None if Console().is_terminal else 120)
    sign = "±" if console.encoding.startswith("utf") else "+-"
    shown = columns(rows.values())
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for column in shown:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        cells = [_cell(_at(row, path), sign) for path in shown.values()]
        table.add_row(name, *cells, style="bold" if name == "samples" else "")
    console.print(table)


def _at(row: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, dict) else None
    return row


def _cell(value: Any, sign: str) -> str:
    if isinstance(value, dict):
        if value.get("mean") is None:
            return "-"
        return f"{_number(value['mean'])} {sign}{_number(value.get('std') or 0)}"
    return "" if value is None else _number(value)


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3e}"
