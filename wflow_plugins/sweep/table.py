"""The table of a sweep as plain data: our numbers, over networks and seeds, and published ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from wflow_plugins.sweep.grid import Column, Grid
from wflow_plugins.sweep.labels import labels
from wflow_plugins.sweep.results import Result, spec_digest
from wflow_plugins.sweep.rows import Run, SweepRow

Results = Mapping[str, Result]
"""Results by the folder of the run."""


def build_table(grid: Grid, rows: Sequence[SweepRow], results: Results) -> dict[str, Any]:
    """The table: its columns, its rows, and notes on columns that no run has a number for."""
    headings = {path: heading for row in rows for path, heading in row.headings.items()}
    columns = zip(grid.columns, labels(grid.columns, headings), strict=True)
    of_runs = [results[run.folder] for row in rows for run in row.runs]
    return {
        "name": grid.name,
        "columns": [c.model_dump() | {"label": label} for c, label in columns],
        "rows": [_row(row, grid.columns, results) for row in rows],
        "seconds": total_seconds(of_runs),
        "notes": [_missing_note(c) for c in grid.columns if _is_missing(c, of_runs)],
    }


def _row(row: SweepRow, columns: Iterable[Column], results: Results) -> dict[str, Any]:
    own = [results[run.folder] for run in row.runs]
    states = {result.status for result in own}
    finished = [result for result in own if result.status == "finished"]
    return {
        "name": row.name,
        "spec": row.spec,
        "set": row.set,
        "status": next(s for s in ("failed", "to do", "finished") if s in states),
        "cells": {c.path: summarize(c.path, finished, row.published) for c in columns},
        "seconds": sum(sum(r.seconds.values()) for r in finished) if finished else None,
        "runs": [_run(run, results[run.folder]) for run in row.runs],
    }


def _run(run: Run, result: Result) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "folder": run.folder,
        "spec": spec_digest(run),
        "status": result.status,
        "reason": result.reason,
        "seconds": result.seconds,
        "machine": result.record.get("machine"),
        "versions": result.record.get("versions"),
    }


def summarize(
    path: str, finished: Iterable[Result], published: Mapping[str, float]
) -> dict[str, Any]:
    """One number of a row, over its finished seeds.

    Returns:
        ``mean``: over seeds. ``std``: over the networks of a run, where that was measured; the
        root of the mean square over seeds. ``seeds_std``: between seeds, from two on.
        ``values``: the mean of each finished seed. ``published``: mean and std, or None.
    """
    numbers = [mean_and_std(result.metrics, path) for result in finished]
    means = [mean for mean, _ in numbers if mean is not None]
    stds = [std for mean, std in numbers if mean is not None and std is not None]
    reference = {"mean": published.get(path, published.get(f"{path}.mean")),
                 "std": published.get(f"{path}.std")}  # fmt: skip
    return {
        "mean": fmean(means) if means else None,
        "std": math.sqrt(fmean(s * s for s in stds)) if stds else None,
        "seeds_std": stdev(means) if len(means) > 1 else None,
        "values": [mean for mean, _ in numbers],
        "published": reference if reference["mean"] is not None else None,
    }


def mean_and_std(metrics: Any, path: str) -> tuple[float | None, float | None]:
    """Mean and standard deviation at a path of ``metrics.json``; a single number has no second."""
    for name in path.split("."):
        metrics = metrics.get(name) if isinstance(metrics, dict) else None
    if isinstance(metrics, dict):
        return _number(metrics.get("mean")), _number(metrics.get("std"))
    return _number(metrics), None


def total_seconds(results: Iterable[Result]) -> float:
    """Seconds of all stages, a shared stage counted once."""
    stages = (s for result in results for s in result.record.get("stages", {}).values())
    return sum({stage["key"]: stage["seconds"] for stage in stages}.values())


def _is_missing(column: Column, results: Sequence[Result]) -> bool:
    finished = [r for r in results if r.status == "finished"]
    return bool(finished) and all(mean_and_std(r.metrics, column.path)[0] is None for r in finished)


def _missing_note(column: Column) -> str:
    return f"no run has {column.path} in its metrics.json: name the metric that measures it"


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
