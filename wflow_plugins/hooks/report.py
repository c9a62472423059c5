"""The report of a run, ``report.html``: one file that opens offline."""

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
    """Writes ``report.html`` into the run folder at the end of a run.

    `wflow report RUN` writes it again.
    """

    class Config(Options):
        steps: bool = Field(
            True, description="draw the score by solver steps, for which networks are sampled"
        )
        networks: int = Field(
            64, ge=2, description="networks sampled for each number of steps, at most"
        )

    changed = True
    """Whether the run made a result that an existing report may not have."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.console = Console(stderr=True)

    @hookimpl
    def wflow_run_start(self) -> None:
        self.changed = False

    @hookimpl
    def wflow_stage_end(self, reused: bool) -> None:
        self.changed |= not reused

    @hookimpl
    def wflow_run_end(self, folder: Path) -> None:
        if not self.changed and (folder / REPORT).exists():
            return
        if not (folder / SPEC).exists():  # hooks may be called from other loops than the driver's
            self._say(f"none: {folder} is no run folder")
            return
        from wflow_plugins.report.read import NoReportError
        from wflow_plugins.report.write import write_report

        c = self.config
        try:
            # The run had permission to import the code that its spec names.
            write_report(folder, None, c.steps, c.networks, say=self._say, allow_code=True)
        except NoReportError as error:
            self._say(f"none: {error}")

    def _say(self, text: str) -> None:
        self.console.print(f"{'report':>12}  {text}", highlight=False, soft_wrap=True)
