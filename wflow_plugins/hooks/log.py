"""The log of a run, ``log.jsonl``: one JSON object a line, one line a moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wflow_core.interfaces.hook import Hook, hookimpl


class JsonLog(Hook):
    """Appends to ``log.jsonl`` of the run folder; a run that goes on adds to the same file."""

    path: Path | None = None

    @hookimpl
    def wflow_run_start(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.path = folder / "log.jsonl"
        self._end_broken_line()
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

    def _end_broken_line(self) -> None:
        """A killed run may have left half a line, which would spoil the next one."""
        if self.path is not None and self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb+") as file:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
