"""The results of the runs of a sweep so far: finished, failed, or still to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wflow_core.errors import StoreError, WflowError
from wflow_core.pipeline.run_folder import IGNORED_FIELDS, METRICS, RECORD, SPEC, differences
from wflow_core.specs.located_yaml import read_file
from wflow_core.storage.store import Store
from wflow_plugins.sweep.rows import Run, SweepRow

TABLE, ROWS = "table.json", "rows"
"""The table of a sweep as JSON, and the folder of its run folders."""


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        reason: why it failed, in one line.
        metrics: the content of its ``metrics.json``.
        record: the content of its ``record.json``.
    """

    status: Literal["finished", "failed", "to do"] = "to do"
    reason: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, those of a shared stage as it was first made."""
        seconds: dict[str, float] = self.metrics.get("seconds", {})
        return seconds


def spec_digest(run: Run) -> str:
    """A hash of the parts of the spec that decide the result."""
    parts = {name: value for name, value in run.resolved.items() if name not in IGNORED_FIELDS}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def load_result(folder: Path, run: Run, table: dict[str, Any]) -> Result:
    """The result of a run in the folder of a sweep.

    Args:
        table: as it was last written, with the runs that failed.
    """
    store = Store(folder / ROWS / run.folder)
    try:
        metrics = store.read_json(METRICS)
        if metrics is not None and not _spec_changes(store.folder, run):
            return Result("finished", None, metrics, store.read_json(RECORD) or {})
    except WflowError:
        return Result()  # Running it reports what is wrong.
    for row in table.get("rows", []):
        for entry in row["runs"]:
            same = (entry["folder"], entry["spec"]) == (run.folder, spec_digest(run))
            if same and entry["status"] == "failed":
                return Result("failed", entry["reason"])
    return Result()


def check_folder(folder: Path, name: str, rows: Iterable[SweepRow]) -> None:
    """Check that a folder is free for a sweep, before anything is written.

    Args:
        name: of the grid.
        rows: those whose run folders must hold no run of another spec.

    Raises:
        StoreError: the folder holds other files, another sweep, or runs of other specs.
    """
    files = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    table = Store(folder).read_json(TABLE)
    if table is None and (others := [file for file in files if not file.startswith(".")]):
        what = f"files that are no sweep ({', '.join(others[:3])})"
        raise StoreError(f"{folder}: holds {what}; give a new or empty --out")
    if table is not None and (table.get("name") != name or "command" not in table):
        raise StoreError(f"{folder}: holds another table; give a new or empty --out")
    if conflicts := list(_conflicts(folder, rows)):
        fix = "give another --out, or --overwrite to replace what differs"
        raise StoreError("\n".join([*conflicts, f"{folder}: {fix}"]))


def _conflicts(folder: Path, rows: Iterable[SweepRow]) -> Iterator[str]:
    for run in (run for row in rows for run in row.runs):
        path = folder / ROWS / run.folder
        if changes := _spec_changes(path, run):
            yield f"{path}: holds a run of another spec ({'; '.join(changes[:3])})"


def _spec_changes(path: Path, run: Run) -> list[str]:
    if not (path / SPEC).exists():
        return []
    return list(differences(read_file(path / SPEC).data, run.resolved, ()))
