"""The contract of hooks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from wflow_core.interfaces.hook import METHODS, Hook
from wflow_core.pipeline.hooks import Hooks
from wflow_core.testing.contract import Contract


class HookContract(Contract):
    """Watches at least one moment, and gets through a run and through a failed one."""

    def test_it_watches_something(self) -> None:
        assert any(hasattr(self.component, method) for method in METHODS)
        assert issubclass(self.component, Hook)

    def test_it_survives_a_run_and_a_failure(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for failed in (False, True):
                self._run(Hooks([("contract", self.make())]), Path(folder), failed)

    def _run(self, hooks: Hooks, folder: Path, failed: bool) -> None:
        hooks.run_start(spec={"name": "contract", "seed": 0}, folder=folder)
        hooks.stage_start(stage="train")
        hooks.progress("train")(1, 2, loss=0.5)
        if failed:
            hooks.run_failed(error=ValueError("contract"))
            return
        hooks.stage_end(stage="train", seconds=0.1, reused=False)
        metrics = {"zoo": {}, "samples": {}, "baselines": {}, "seconds": {"train": 0.1}}
        hooks.run_end(metrics=metrics, folder=folder)
