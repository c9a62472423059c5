"""Reads a finished run from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from wflow_core.devices import resolve_device
from wflow_core.errors import StoreError, UnsupportedError, WflowError
from wflow_core.interfaces.stage import FinishedRun
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.pipeline.finished_run import open_run
from wflow_core.pipeline.run_folder import METRICS, RECORD, SPEC, run_spec
from wflow_core.storage.store import Store
from wflow_plugins.report.data import RunData
from wflow_plugins.report.numbers import keep_finite, lookup
from wflow_plugins.stages.trained_flow import NetworkFlow
from wflow_plugins.streaming.storage import Streamed

TRAIN, SAMPLE = "train", "sample"
EVALUATION = "evaluation"
"""The artefact with what was measured of each network."""


class NoReportError(UnsupportedError):
    """A run without a flow over networks, or without samples of it, has no report."""


def read_run(
    folder: Path, device: torch.device | str | None = None, allow_code: bool = False
) -> RunData:
    """Read a finished run.

    Args:
        device: where networks are sampled; by default that of the run, where available.
        allow_code: import the code that its spec names, which may do anything.

    Raises:
        StoreError: the folder is no run, the run is not finished, or an artefact is damaged.
        NoReportError: its stages are not those that the report is about.
    """
    text = run_spec(folder).read_text(encoding="utf-8")
    store = Store(folder)
    record, metrics = store.read_json(RECORD), store.read_json(METRICS)
    if record is None or metrics is None:
        raise StoreError(
            f"{folder}: the run is not finished ({METRICS if record else RECORD} is missing); "
            f"`wflow run {folder / SPEC} --out {folder}` resumes it"
        )
    where = _device_of(record) if device is None else resolve_device(device)
    run = open_run(folder, where, allow_code, _storage_of(record, where))
    flow = _flow_of(run)
    outputs = {stage.output for stage in run.components.stages.values()}
    values = run.artefact(EVALUATION).tensors if EVALUATION in outputs else {}
    history = flow.artefact.data.get("history", [])
    return RunData(flow, text, keep_finite(metrics), record, history, values)


def _flow_of(run: FinishedRun) -> NetworkFlow:
    stages = run.components.stages
    for name in (TRAIN, SAMPLE):
        if name not in stages:
            raise NoReportError(
                f"{run.folder}: the report is about samples of a trained flow, and the `stages` of "
                f"this run are {', '.join(stages)}, without {name!r}"
            )
    flow = stages[TRAIN].open(run)
    if not isinstance(flow, NetworkFlow):
        raise NoReportError(
            f"{run.folder}: the report needs a {NetworkFlow.__name__}; the stage {TRAIN!r} of this "
            f"run trains a {type(flow).__name__}"
        )
    return flow


def _device_of(record: dict[str, Any]) -> torch.device:
    """The device of the run, or the CPU where there is no such device."""
    try:
        return resolve_device(str(lookup(record, "machine", "device") or "cpu"))
    except WflowError:
        return torch.device("cpu")


def _storage_of(record: dict[str, Any], device: torch.device) -> TensorStorage | None:
    """Storage under the memory budget of the run, which limits the CPU's memory alone."""
    return Streamed.from_repr(str(record.get("storage"))) if device.type == "cpu" else None
