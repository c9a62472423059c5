"""The report of a run, ``report.html``: one file that opens anywhere, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from rich.console import Console

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.hook import Hook, hookimpl
from wflow_core.pipeline.run_folder import SPEC
from wflow_plugins.report import REPORT


class Report(Hook):
    """Writes ``report.html`` into the run folder when a run ends.

    `wflow report RUN` writes it again.
    """

    class Config(Options):
        steps: bool = Field(
            True, description="draw the score by the number of solver steps; samples anew for it"
        )
        networks: int = Field(64, ge=2, description="networks a number of steps, at most")

    fresh = True

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.console = Console(stderr=True)

    @hookimpl
    def wflow_run_start(self) -> None:
        self.fresh = False

    @hookimpl
    def wflow_stage_end(self, reused: bool) -> None:
        self.fresh |= not reused

    @hookimpl
    def wflow_run_end(self, folder: Path) -> None:
        if not self.fresh and (folder / REPORT).exists():
            return  # of the same results
        if not (folder / SPEC).exists():  # hooks of somebody's own loop
            self._say(f"none: {folder} is no run folder")
            return
        from wflow_plugins.report.write import write_report

        # Code that the spec names was allowed, or the run that ends here had not begun.
        c = self.config
        write_report(folder, None, c.steps, c.networks, say=self._say, allow_code=True)

    def _say(self, text: str) -> None:
        self.console.print(f"{'report':>12}  {text}", highlight=False, soft_wrap=True)
