"""The log of a run, ``log.jsonl``: one JSON object per line, one line per event."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wflow_core.interfaces.hook import Hook, hookimpl


class JsonLog(Hook):
    """Appends events to ``log.jsonl`` in the run folder; a resumed run continues the same file."""

    path: Path | None = None

    @hookimpl
    def wflow_run_start(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.path = folder / "log.jsonl"
        self._end_partial_line()
        self._write("run_start", name=spec["name"], seed=spec["seed"])

    @hookimpl
    def wflow_stage_start(self, stage: str) -> None:
        self._write("stage_start", stage=stage)

    @hookimpl
    def wflow_step(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        self._write("step", stage=stage, step=step, total=total, **values)

    @hookimpl
    def wflow_stage_end(self, stage: str, seconds: float, reused: bool) -> None:
        self._write("stage_end", stage=stage, seconds=seconds, reused=reused)

    @hookimpl
    def wflow_run_end(self, metrics: Mapping[str, Any], folder: Path) -> None:
        self._write("run_end", seconds=metrics["seconds"])

    @hookimpl
    def wflow_run_failed(self, error: BaseException) -> None:
        self._write("run_failed", error=f"{type(error).__name__}: {error}")

    def _write(self, event: str, **values: Any) -> None:
        if self.path is not None:
            values = {name: _finite(value) for name, value in values.items()}
            line = json.dumps({"time": time.time(), "event": event, **values}, allow_nan=False)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _end_partial_line(self) -> None:
        """End the line that a killed run may have left incomplete."""
        if self.path is not None and self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb+") as file:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def _finite(value: Any) -> Any:
    """Replace numbers that are not finite, which JSON does not have, by null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
