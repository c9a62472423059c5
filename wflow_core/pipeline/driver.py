"""Runs the stages of a spec in order.

A stage whose key is that of an artefact in the folder is finished and skipped; a stage that was
interrupted resumes from its last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch

from wflow_core.devices import deterministic, resolve_device
from wflow_core.errors import HookError, UnsupportedError
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact, Stage, StageContext
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.pipeline.error_origin import note_stage
from wflow_core.pipeline.hooks import Hooks
from wflow_core.pipeline.keys import Fingerprints, stage_key
from wflow_core.pipeline.run_folder import METRICS, RunRecord, bind_spec, check_empty_or_run
from wflow_core.seeds import stage_generator
from wflow_core.storage.store import Store

CHECKPOINT, SCRATCH = "checkpoint", ".scratch.new"


class SharedArtefacts(Protocol):
    """Finished artefacts elsewhere, which a run may take over."""

    def lock(self, key: str) -> AbstractContextManager[object]:
        """Let one process at a time make the artefact of this key."""
        ...

    def fetch(self, store: Store, name: str, key: str) -> bool:
        """Copy an artefact of this key into a store; whether there was one."""
        ...


def run(
    components: Components,
    folder: Path | str,
    device: torch.device | str = "auto",
    overwrite: bool = False,
    storage: TensorStorage | None = None,
    shared: SharedArtefacts | None = None,
) -> dict[str, Any]:
    """Run a spec in a folder, resume what was interrupted there, or find it finished.

    Args:
        overwrite: let a folder that holds a run of another spec, or of other data, be replaced,
            stage by stage.
        storage: how tensors are stored, and what may be in memory. It decides no result.
        shared: finished artefacts that are taken over where they have the same key.

    Returns:
        The content of ``metrics.json``.

    Raises:
        StoreError: the folder is in use, of another spec or other data, or damaged.
        WflowError: there is no such device, or a stage fails.
    """
    where = resolve_device(device)
    check_empty_or_run(Path(folder))
    with Store(Path(folder), storage).locked() as store:
        fingerprints = Fingerprints(components, RunRecord(components, store, where).files)
        bind_spec(store, components, fingerprints, overwrite)  # may remove the record
        return Pipeline(components, store, where, fingerprints, shared).run()


class Inputs(dict[str, Artefact]):
    """The inputs of a stage by name."""

    def __missing__(self, name: str) -> Artefact:
        raise UnsupportedError(f"no stage before this one makes its input {name!r}; see `stages`")


class Pipeline:
    """One run: its components, its store, its record and its hooks."""

    def __init__(
        self,
        components: Components,
        store: Store,
        device: torch.device,
        fingerprints: Fingerprints,
        shared: SharedArtefacts | None = None,
    ):
        self.components, self.store, self.device, self.shared = components, store, device, shared
        self.fingerprints = fingerprints
        self.record = RunRecord(components, store, device)
        self.hooks = Hooks.of(components)
        self.artefacts: dict[str, Artefact] = {}

    def run(self) -> dict[str, Any]:
        """All stages, in order; the content of ``metrics.json``."""
        self.hooks.run_start(spec=self.components.resolved, folder=self.store.folder)
        try:
            metrics: dict[str, Any] = {}
            for name, stage in self.components.stages.items():
                if stage.is_active(self.components):
                    metrics |= self._run_stage(name, stage).data.get("metrics", {})
            return self._finish(metrics)
        except BaseException as error:
            self._report_failure(error)
            raise

    def _run_stage(self, name: str, stage: Stage) -> Artefact:
        """Find the artefact of a stage, or make it; then let it update the components."""
        wanted = stage.inputs(self.components).items()
        inputs = Inputs({of: self.artefacts[at] for of, at in wanted if at in self.artefacts})
        key = stage_key(name, stage, self.components, inputs, self.fingerprints)
        self.hooks.stage_start(stage=name)
        with note_stage(name), self._lock(key):
            reused = self._is_finished(stage.output, key)
            artefact = (
                self.store.load(stage.output) if reused else self._make(name, stage, key, inputs)
            )
            self.components = stage.apply(
                self.components, artefact, inputs.__getitem__, self.device
            )
        self.artefacts |= dict.fromkeys(artefact_names(name, stage), artefact)
        self.record.finish(name, key, artefact, self.fingerprints)
        self.hooks.stage_end(stage=name, seconds=artefact.seconds, reused=reused)
        return artefact

    def _make(self, name: str, stage: Stage, key: str, inputs: Mapping[str, Artefact]) -> Artefact:
        start = time.perf_counter()
        interrupted = self.store.key(CHECKPOINT) == key
        checkpoint = self.store.load(CHECKPOINT) if interrupted else None

        def seconds() -> float:
            return (checkpoint.seconds if checkpoint else 0.0) + time.perf_counter() - start

        def save(tensors: Mapping[str, Any], data: Mapping[str, Any]) -> None:
            self.store.save(CHECKPOINT, key, tensors, data, seconds())

        generator = stage_generator(self.components.seed, name, self.device)
        context = StageContext(
            self.components, inputs, generator, self.hooks.progress(name), checkpoint, save,
            self.store.storage, self.store.folder / SCRATCH,
        )  # fmt: skip
        with deterministic():
            made = stage.run(context)
        data = dict(made.data) | ({"metrics": made.metrics} if made.metrics else {})
        artefact = self.store.save(stage.output, key, made.tensors, data, seconds())
        self.store.remove(CHECKPOINT)
        self.store.remove(SCRATCH)
        return artefact

    def _is_finished(self, output: str, key: str) -> bool:
        if self.store.key(output) == key:
            return True
        return self.shared is not None and self.shared.fetch(self.store, output, key)

    def _lock(self, key: str) -> AbstractContextManager[object]:
        return self.shared.lock(key) if self.shared else nullcontext()

    def _finish(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Write ``metrics.json``, with the seconds of every stage, and call the hooks."""
        whole = metrics | {"seconds": self.record.seconds()}
        if self.store.read_json(METRICS) != whole:
            self.store.write_json(METRICS, whole)
        self.hooks.run_end(metrics=whole, folder=self.store.folder)
        return whole

    def _report_failure(self, error: BaseException) -> None:
        """Call the hooks; an error of theirs is a note on the error of the run."""
        try:
            self.hooks.run_failed(error=error)
        except HookError as other:
            error.add_note(str(other))


def artefact_names(name: str, stage: Stage) -> list[str]:
    """Names under which later stages find the output of a stage: its own, that of the artefact it
    replaces, and both as ``name@stage``, by which it is found even when it is replaced."""
    outputs = [stage.output, *([stage.replaces] if stage.replaces else [])]
    return [*outputs, *(f"{output}@{name}" for output in outputs)]
