"""Loads the flow of a run for a command."""

from __future__ import annotations

from pathlib import Path

from wflow_core.devices import resolve_device
from wflow_core.errors import UnsupportedError
from wflow_core.pipeline.finished_run import load
from wflow_plugins.stages.trained_flow import NetworkFlow
from wflow_plugins.streaming.memory import MemoryBudget
from wflow_plugins.streaming.storage import Streamed


def load_flow(
    folder: Path, device: str, threads: int | None, allow_code: bool, memory: MemoryBudget | None
) -> NetworkFlow:
    """The trained flow of a run folder, under the options of a command.

    Raises:
        StoreError: the folder is no run, or its training is not finished.
        UnsupportedError: the run was made by stages of another kind, or the memory budget is too
            small for its networks.
        WflowError: there is no such device.
    """
    where = resolve_device(device, threads)
    flow = load(folder, where, allow_code, Streamed(memory) if memory else None)
    if not isinstance(flow, NetworkFlow):
        raise UnsupportedError(
            f"{folder}: its flow is a {type(flow).__name__}, which this command cannot use; it "
            "needs a run of the stage `train`"
        )
    if memory:
        memory.check(flow.sampled, where)
    return flow
