"""The table at the end of a run: samples beside the zoo and the baselines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from wflow_core.interfaces.metric import Metric

SECONDS = {"seconds": "seconds"}


def columns(
    metrics: Iterable[type[Metric] | Metric], rows: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """Heading -> dotted path of each column that metrics declare and a row has a number for.

    Those of other tasks, under the names of which rows have the same numbers, come last.
    """
    rows, metrics = list(rows), list(metrics)
    declared = {heading: path for m in metrics for heading, path in m.columns.items()}
    shared = [heading for m in metrics for heading in m.columns_of_tasks]
    own = {path.split(".")[0] for path in declared.values()}
    groups = dict.fromkeys(n for r in rows for n, of in r.items() if isinstance(of, dict))
    others = {
        f"{group} {heading}": f"{group}.{declared[heading]}"
        for group in groups if group not in own
        for heading in dict.fromkeys(shared)
    }  # fmt: skip
    known = declared | SECONDS | others
    return {h: path for h, path in known.items() if any(at(r, path) is not None for r in rows)}


def populations(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Zoo, samples and baselines by name, each with all of its numbers."""
    seconds = metrics.get("seconds", {})
    groups = ("zoo", "collected", "samples", "baselines", "seconds")
    beside_zoo = {name: of for name, of in metrics.items() if name not in groups}
    rows = {
        "zoo": metrics["zoo"] | {"seconds": seconds.get("reference", seconds.get("collect"))},
        "samples": metrics["samples"] | beside_zoo | {"seconds": seconds.get("sample")},
    }
    return rows | metrics.get("baselines", {})


def results_table(metrics: Sequence[Metric], numbers: Mapping[str, Any]) -> Table:
    """A row for each population, a column for each number that metrics declare."""
    rows = populations(numbers)
    shown = columns(metrics, rows.values())
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for heading in shown:
        table.add_column(heading, justify="right")
    for name, row in rows.items():
        cells = [_cell(at(row, path)) for path in shown.values()]
        table.add_row(name, *cells, style="bold" if name == "samples" else "")
    return table


def at(row: Any, path: str) -> Any:
    """The number at a dotted path; None where there is none."""
    for name in path.split("."):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        if value.get("mean") is None:
            return "-"
        sign = "±" if (sys.stdout.encoding or "").lower().startswith("utf") else "+-"
        return f"{_number(value['mean'])} {sign}{_number(value.get('std') or 0)}"
    return "" if value is None else _number(value)


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3e}"
