"""The table of a sweep as plain data: ours, over networks and seeds, and what was published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from wflow_plugins.sweep.grid import Column, Grid
from wflow_plugins.sweep.labels import labels
from wflow_plugins.sweep.results import Result, digest
from wflow_plugins.sweep.rows import Run, SweepRow

Results = Mapping[str, Result]
"""By the folder of the run."""


def table(grid: Grid, rows: Sequence[SweepRow], results: Results) -> dict[str, Any]:
    """The table: its columns, a row each, and what there is to say about it."""
    found = [_row(row, grid.columns, results) for row in rows]
    done = [results[run.folder] for row in rows for run in row.runs]
    headed = zip(grid.columns, labels(grid.columns), strict=True)
    return {
        "name": grid.name,
        "columns": [c.model_dump() | {"label": label} for c, label in headed],
        "rows": found,
        "seconds": total_seconds(done),
        "notes": [_unmeasured(c) for c in grid.columns if _never(c, done)],
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
        "cells": {c.path: cell(c.path, finished, row.published) for c in columns},
        "seconds": sum(sum(r.seconds.values()) for r in finished) if finished else None,
        "runs": [_run(run, results[run.folder]) for run in row.runs],
    }


def _run(run: Run, result: Result) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "folder": run.folder,
        "spec": digest(run),
        "status": result.status,
        "reason": result.reason,
        "seconds": result.seconds,
        "machine": result.record.get("machine"),
        "versions": result.record.get("versions"),
    }


def cell(path: str, finished: Iterable[Result], published: Mapping[str, float]) -> dict[str, Any]:
    """One measure of a row.

    Returns:
        ``mean``: over seeds. ``std``: over the networks of a run, where that was measured; the
        root of the mean square over seeds. ``seeds_std``: between seeds, from two on.
        ``values``: the mean of each finished seed. ``published``: mean and std, or None.
    """
    found = [at(result.metrics, path) for result in finished]
    means = [mean for mean, _ in found if mean is not None]
    stds = [std for mean, std in found if mean is not None and std is not None]
    theirs = {"mean": published.get(path, published.get(f"{path}.mean")),
              "std": published.get(f"{path}.std")}  # fmt: skip
    return {
        "mean": fmean(means) if means else None,
        "std": math.sqrt(fmean(s * s for s in stds)) if stds else None,
        "seeds_std": stdev(means) if len(means) > 1 else None,
        "values": [mean for mean, _ in found],
        "published": theirs if theirs["mean"] is not None else None,
    }


def at(metrics: Any, path: str) -> tuple[float | None, float | None]:
    """Mean and standard deviation at a path of ``metrics.json``, or a number alone, or nothing."""
    for name in path.split("."):
        metrics = metrics.get(name) if isinstance(metrics, dict) else None
    if isinstance(metrics, dict):
        return _number(metrics.get("mean")), _number(metrics.get("std"))
    return _number(metrics), None


def total_seconds(results: Iterable[Result]) -> float:
    """Seconds of all stages, one that several runs share counted once."""
    stages = (s for result in results for s in result.record.get("stages", {}).values())
    return sum({stage["key"]: stage["seconds"] for stage in stages}.values())


def _never(column: Column, results: Sequence[Result]) -> bool:
    finished = [r for r in results if r.status == "finished"]
    return bool(finished) and all(at(r.metrics, column.path)[0] is None for r in finished)


def _unmeasured(column: Column) -> str:
    return f"no run has {column.path} in its metrics.json: name the metric that measures it"


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
