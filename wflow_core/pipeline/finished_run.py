"""Opens the run in a folder: its components as its stages left them, and its artefacts."""

from __future__ import annotations

from pathlib import Path

import torch

from wflow_core.assembly.assemble import assemble
from wflow_core.devices import resolve_device
from wflow_core.errors import StoreError
from wflow_core.interfaces.stage import Artefact, FinishedRun, Stage
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.interfaces.trained_flow import TrainedFlow
from wflow_core.pipeline.driver import artefact_names
from wflow_core.pipeline.run_folder import RECORD, run_spec
from wflow_core.specs.spec import load_spec
from wflow_core.storage.store import Store


def load(
    folder: Path | str,
    device: torch.device | str = "auto",
    allow_code: bool = False,
    storage: TensorStorage | None = None,
) -> TrainedFlow:
    """The trained flow of a run folder.

    Args:
        allow_code: import the code that its spec names, which may do anything.
        storage: how tensors are stored, and what may be in memory.

    Raises:
        StoreError: the folder is no run, or its training is not finished.
        SpecError: a plugin that the run used is not installed, or the spec names code.
        WflowError: there is no such device.
    """
    run = open_run(folder, device, allow_code, storage)
    for stage in run.components.stages.values():
        if (flow := stage.open(run)) is not None:
            trained: TrainedFlow = flow
            return trained
    raise StoreError(f"{folder}: no stage of this run trains a flow")


def open_run(
    folder: Path | str,
    device: torch.device | str = "auto",
    allow_code: bool = False,
    storage: TensorStorage | None = None,
) -> FinishedRun:
    """The components and artefacts of a run folder, as far as its stages are finished."""
    where, store = resolve_device(device), Store(Path(folder), storage)
    components = assemble(load_spec(run_spec(store.folder), allow_code=allow_code))
    active = [(n, s) for n, s in components.stages.items() if s.is_active(components)]
    made_by = {at: (name, s.output) for name, s in active for at in artefact_names(name, s)}
    loaded: dict[str, Artefact] = {}

    def artefact(name: str) -> Artefact:
        stage, output = made_by.get(name, (name, name))
        if output not in loaded:
            loaded[output] = load_finished(store, stage, output)
        return loaded[output]

    for name, stage in active:
        changes = type(stage).apply is not Stage.apply  # else its artefact need not be read
        if changes and is_finished(store, name, stage.output):
            inputs = stage.inputs(components)
            output = artefact(f"{stage.output}@{name}")
            components = stage.apply(components, output, lambda n, i=inputs: artefact(i[n]), where)
    return FinishedRun(components, artefact, where, store.storage, store.folder)


def load_finished(store: Store, stage: str, output: str) -> Artefact:
    """An artefact that the record knows as this spec's, not one that another run left.

    Raises:
        StoreError: its stage is not finished.
    """
    if not is_finished(store, stage, output):
        raise StoreError(
            f"{store.folder / output}: not of a finished stage {stage!r}; "
            "the same `wflow run` resumes from here"
        )
    return store.load(output)


def is_finished(store: Store, stage: str, output: str) -> bool:
    """Whether the store has the output of a stage under the key that the record notes."""
    record = store.read_json(RECORD) or {}
    key = record.get("stages", {}).get(stage, {}).get("key")
    return key is not None and store.key(output) == key
