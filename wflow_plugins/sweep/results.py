"""What is known of the runs of a sweep: finished, failed, or still to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wflow_core.specs.yaml_source import read_file

from wflow_core.errors import StoreError, WflowError
from wflow_core.pipeline.run_folder import FREE, METRICS, RECORD, SPEC, differences
from wflow_core.storage.store import Store
from wflow_plugins.sweep.rows import Run, SweepRow

TABLE, ROWS = "table.json", "rows"
"""The table of a sweep as JSON, and the folder of all its run folders."""


@dataclass(frozen=True)
class Result:
    """What is known of a run.

    Attributes:
        reason: why it failed, in a line.
        metrics: the content of its ``metrics.json``.
        record: the content of its ``record.json``.
    """

    status: Literal["finished", "failed", "to do"] = "to do"
    reason: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> dict[str, float]:
        """Of each stage, that of a stage taken over as it was first made."""
        found: dict[str, float] = self.metrics.get("seconds", {})
        return found


def digest(run: Run) -> str:
    """Tells specs apart by what decides a result."""
    decides = {name: value for name, value in run.resolved.items() if name not in FREE}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def find(folder: Path, run: Run, before: dict[str, Any]) -> Result:
    """What the folder of a sweep holds of a run.

    Args:
        before: the table as it was left, which knows what failed.
    """
    store = Store(folder / ROWS / run.folder)
    try:
        metrics = store.read_json(METRICS)
        if metrics is not None and not _changes(store.folder, run):
            return Result("finished", None, metrics, store.read_json(RECORD) or {})
    except WflowError:
        return Result()  # Running it tells what is wrong.
    for row in before.get("rows", []):
        for entry in row["runs"]:
            same = (entry["folder"], entry["spec"]) == (run.folder, digest(run))
            if same and entry["status"] == "failed":
                return Result("failed", entry["reason"])
    return Result()


def refuse_others(folder: Path, name: str, rows: Iterable[SweepRow]) -> None:
    """Before anything is written.

    Args:
        name: of the grid.
        rows: those whose folders must hold no run of another spec.

    Raises:
        StoreError: the folder holds something else, another sweep, or runs of other specs.
    """
    files = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    there = Store(folder).read_json(TABLE)
    if there is None and (others := [file for file in files if not file.startswith(".")]):
        what = f"files that are no sweep ({', '.join(others[:3])})"
        raise StoreError(f"{folder}: holds {what}; give a new or empty --out")
    if there is not None and (there.get("name") != name or "command" not in there):
        raise StoreError(f"{folder}: holds another table; give a new or empty --out")
    if told := list(_others(folder, rows)):
        fix = "give another --out, or --overwrite to replace what differs"
        raise StoreError("\n".join([*told, f"{folder}: {fix}"]))


def _others(folder: Path, rows: Iterable[SweepRow]) -> Iterator[str]:
    for run in (run for row in rows for run in row.runs):
        path = folder / ROWS / run.folder
        if changes := _changes(path, run):
            yield f"{path}: holds a run of another spec ({'; '.join(changes[:3])})"


def _changes(path: Path, run: Run) -> list[str]:
    if not (path / SPEC).exists():
        return []
    return list(differences(read_file(path / SPEC).data, run.resolved, ()))
