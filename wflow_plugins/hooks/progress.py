"""Progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from wflow_core.interfaces.hook import Hook, hookimpl


class ProgressBars(Hook):
    """A progress bar per stage on stderr, with the values that the stage reports."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.console = Console(stderr=True)
        self.progress: Progress | None = None
        self.task: Any = None
        self.values = ""
        self.tenths = 0

    @hookimpl
    def wflow_stage_start(self, stage: str) -> None:
        self.values, self.tenths = "", 0
        if self.console.is_terminal:
            columns = TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn()
            times = TimeElapsedColumn(), TimeRemainingColumn()
            self.progress = Progress(
                *columns, *times, TextColumn("{task.fields[values]}"), console=self.console
            )
            self.task = self.progress.add_task(stage, total=None, values="")
            self.progress.start()

    @hookimpl
    def wflow_step(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        shown = (f"{name} {value:.4g}" for name, value in values.items() if name != "iteration")
        self.values = "  ".join(shown)
        if self.progress:
            self.progress.update(self.task, completed=step, total=total, values=self.values)
        elif step * 10 // total > self.tenths:
            # At most ten lines per stage.
            self.tenths = step * 10 // total
            self._line(stage, f"{step}/{total}  {self.values}".rstrip())

    @hookimpl
    def wflow_stage_end(self, stage: str, seconds: float, reused: bool) -> None:
        self._close()
        done = "found finished" if reused else f"{seconds:.1f} s"
        if not self.console.is_terminal or reused:
            self._line(stage, done)

    @hookimpl
    def wflow_run_failed(self, error: BaseException) -> None:
        self._close()

    def _line(self, stage: str, text: str) -> None:
        self.console.print(f"{stage:>12}  {text}", highlight=False, soft_wrap=True)

    def _close(self) -> None:
        if self.progress:
            self.progress.stop()
            self.progress = None
