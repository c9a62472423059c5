"""Folders of networks that other programs can load.

Either ``weights.safetensors`` holds each tensor of all N networks as ``[N, *shape]`` under its own
name, or each network is a state dict in a file of its own. ``manifest.json`` names files, tensors
and shapes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.storage.files import read_tensors, remove, translate_io_errors
from wflow_core.storage.tensors import describe
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import is_lazy
from wflow_core.weights.layout import WeightLayout
from wflow_plugins.commands.new_files import check_new
from wflow_plugins.streaming.memory import MemoryBudget
from wflow_plugins.streaming.row_writing import concat_spilling

STACKED_FILE, MANIFEST = "weights.safetensors", "manifest.json"
Files = Iterator[tuple[str, dict[str, Tensor]]]
"""The name and the tensors of each file."""


def write_networks(networks: WeightSet, folder: Path, separate: bool = False) -> None:
    """Write a new folder of networks.

    Args:
        separate: one file per network; networks that exceed a memory budget are always separate.

    Raises:
        StoreError: the folder exists already, or cannot be written; nothing is left then.
    """
    check_new(folder)
    fresh = folder.with_name(f".{folder.name}.new")
    with translate_io_errors(folder):
        remove(fresh)
        fresh.mkdir(parents=True)
        per_file = one_per_file if separate or is_lazy(networks.weights) else stacked
        files = {}
        for name, tensors in per_file(networks):
            save_file(tensors, fresh / name)
            files[name] = {n: describe(t) for n, t in tensors.items()}
        manifest = {"networks": len(networks), "files": files}
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for name in files:  # safetensors makes files that only their owner may read
            shutil.copymode(fresh / MANIFEST, fresh / name)
        os.replace(fresh, folder)


def stacked(networks: WeightSet) -> Files:
    """One file with each tensor of all networks, ``[N, *shape]``."""
    tensors = networks.layout.unflatten(networks.weights.cpu())
    tensors |= networks.buffer_layout.unflatten(networks.buffers.cpu())
    yield STACKED_FILE, {name: t.clone() for name, t in tensors.items()}


def one_per_file(networks: WeightSet) -> Files:
    """The state dict of each network in a file of its own."""
    digits = len(str(len(networks) - 1))
    for i in range(len(networks)):
        (state,) = networks[i : i + 1].state_dicts()
        yield f"network-{i:0{digits}d}.safetensors", {n: t.clone() for n, t in state.items()}


def read_networks(folder: Path, module: nn.Module, budget: MemoryBudget | None = None) -> WeightSet:
    """The networks of a folder that ``write_networks`` made, for ``module``'s architecture.

    Args:
        budget: networks that exceed it are put into temporary files.

    Raises:
        DataError: the folder is no such folder, a file is damaged, or a network does not fit.
    """
    names, is_stacked = _file_names(folder)
    chunks = (_read_file(folder / name, module, is_stacked, i) for i, name in enumerate(names))
    return concat_spilling(chunks, budget.per_set_limit if budget else None)


def _file_names(folder: Path) -> tuple[list[str], bool]:
    """Names of the files in a manifest; whether one file holds all networks."""
    path = folder / MANIFEST
    try:
        files = list(json.loads(path.read_text(encoding="utf-8"))["files"])
    except OSError as error:
        raise DataError(
            f"{folder}: not a folder of networks ({path.name}: {error.strerror}); "
            "`wflow sample RUN --out FOLDER` makes one"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a manifest of `wflow sample`; sample again") from error
    wrong = [name for name in files if not re.fullmatch(r"[\w-]+\.safetensors", name)]
    if wrong or not files:
        named = f"{wrong[0]!r}, which is no file name" if wrong else "no file"
        raise DataError(f"{path}: lists {named}; sample again")
    return files, files == [STACKED_FILE]


def _read_file(file: Path, module: nn.Module, is_stacked: bool, number: int) -> WeightSet:
    """All networks of a stacked file; of separate files, the one network of file ``number``."""
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    state = _read_state(file)
    _check_state(file, state, layouts, is_stacked)
    weights, buffers = (layout.flatten(state).float() for layout in layouts)
    if not is_stacked:
        run = torch.tensor([number])
        return WeightSet.from_module(module, weights.unsqueeze(0), buffers.unsqueeze(0), run)
    buffers = buffers.expand(len(weights), -1)  # without buffers, nothing says how many
    return WeightSet.from_module(module, weights, buffers)


def _read_state(file: Path) -> dict[str, Tensor]:
    try:
        return read_tensors(file)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{file}: cannot be read as safetensors ({why})") from error


def _check_state(
    file: Path,
    state: Mapping[str, Tensor],
    layouts: tuple[WeightLayout, WeightLayout],
    is_stacked: bool,
) -> None:
    """
    Raises:
        DataError: tensors are missing, unknown, of another shape or type, or not finite.
    """
    shapes = {slot.name: slot.shape for layout in layouts for slot in layout.slots}
    known = shapes.keys() | {alias for layout in layouts for alias, _ in layout.aliases}
    for problem, names in (
        ("lacks", shapes.keys() - state.keys()),
        ("has tensors that the architecture has not:", state.keys() - known),
    ):
        if names:
            raise DataError(
                f"{file}: {problem} {', '.join(sorted(names))}; give networks of this run's "
                "architecture"
            )
    counts = {len(state[name]) for name in shapes if state[name].ndim} if is_stacked else {1}
    lead = (max(counts, default=0),) if is_stacked else ()
    for name, shape in shapes.items():
        got = tuple(state[name].shape)
        if got != (*lead, *shape) or 0 in lead:
            raise DataError(f"{file}: {name} has shape {got}, expected {(*lead, *shape)}")
        if not state[name].is_floating_point() and name in layouts[0].by_name:
            dtype = str(state[name].dtype).removeprefix("torch.")
            raise DataError(f"{file}: {name} is of type {dtype}, expected floating point")
        if not bool(torch.isfinite(state[name]).all()):
            raise DataError(f"{file}: {name} has values that are not finite")
