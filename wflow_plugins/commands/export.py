"""Networks as files that others can load.

Either all in one: ``weights.safetensors`` holds each parameter as ``[N, *shape]`` under its own
name; or one state dict a file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from wflow_plugins.streaming.shards import described

from wflow_core.errors import DataError, StoreError
from wflow_core.storage.files import clear_errors, read_tensors, remove, to_json, write_synced
from wflow_core.weights import WeightSet
from wflow_core.weights.layout import WeightLayout
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.memory import Memory
from wflow_plugins.streaming.row_writing import gathered

TOGETHER, MANIFEST = "weights.safetensors", "manifest.json"
Files = Iterator[tuple[str, dict[str, Tensor]]]
"""Name and tensors of one after another."""


def write_networks(networks: WeightSet, folder: Path, separate: bool = False) -> None:
    """Write a new folder of networks with a manifest that names tensors, shapes and places.

    Those that memory is not to hold at once are written one by one, each to a file of its own.

    Raises:
        StoreError: the folder is there already, or cannot be written; nothing is left then.
    """
    refuse_existing(folder)
    fresh = folder.with_name(f".{folder.name}.new")
    with clear_errors(folder):
        remove(fresh)
        fresh.mkdir(parents=True)
        apart, files = separate or isinstance(networks.weights, LazyWeights), {}
        for name, tensors in _separate(networks) if apart else _together(networks):
            save_file(tensors, fresh / name)
            files[name] = {n: described(t) for n, t in tensors.items()}
        manifest = {"networks": len(networks), "files": files}
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for name in files:  # safetensors writes for the user alone
            shutil.copymode(fresh / MANIFEST, fresh / name)
        os.replace(fresh, folder)


def write_numbers(numbers: Mapping[str, Any], file: Path) -> None:
    """Write a new JSON file of numbers.

    Raises:
        StoreError: the file is there already, or cannot be written; nothing is left then.
    """
    refuse_existing(file)
    fresh = file.with_name(f".{file.name}.new")
    with clear_errors(file):
        write_synced(fresh, to_json(numbers))
        os.replace(fresh, file)


def refuse_existing(place: Path) -> None:
    """What is there is never written over."""
    if os.path.lexists(place):
        raise StoreError(f"{place}: is there already; give another --out")


def read_networks(folder: Path, module: nn.Module, memory: Memory | None = None) -> WeightSet:
    """The networks of a folder that ``write_networks`` made, for ``module``'s architecture.

    Args:
        memory: what they may take; those of more lie in temporary files.

    Raises:
        DataError: the folder is no such folder, a file is damaged, or a network does not fit.
    """
    names, together = _listed(folder)
    pieces = (_networks(folder / name, module, together, i) for i, name in enumerate(names))
    return gathered(pieces, memory.share if memory else None)


def _networks(file: Path, module: nn.Module, together: bool, number: int) -> WeightSet:
    """Those of one file: all, or the one of this number."""
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    state = _read(file)
    _check(file, state, layouts, together)
    weights, buffers = (layout.flatten(state).float() for layout in layouts)
    if not together:
        run = torch.tensor([number])
        return WeightSet.from_module(module, weights.unsqueeze(0), buffers.unsqueeze(0), run)
    buffers = buffers.expand(len(weights), -1)  # without buffers, nothing says how many
    return WeightSet.from_module(module, weights, buffers)


def _listed(folder: Path) -> tuple[list[str], bool]:
    """Names of the files that a manifest lists; whether one holds all networks."""
    path = folder / MANIFEST
    try:
        files = list(json.loads(path.read_text(encoding="utf-8"))["files"])
    except OSError as error:
        raise DataError(
            f"{folder}: no folder of networks ({path.name}: {error.strerror}); "
            "`wflow sample RUN --out FOLDER` makes one"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: no manifest of `wflow sample`; make the folder anew") from error
    wrong = [name for name in files if not re.fullmatch(r"[\w-]+\.safetensors", name)]
    if wrong or not files:
        named = f"{wrong[0]!r}, which is no file of the folder" if wrong else "no network"
        raise DataError(f"{path}: lists {named}; make the folder anew")
    return files, files == [TOGETHER]


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return read_tensors(file)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{file}: cannot be read as safetensors ({why})") from error


def _check(
    file: Path,
    state: Mapping[str, Tensor],
    layouts: tuple[WeightLayout, WeightLayout],
    together: bool,
) -> None:
    """Every tensor of the architecture and no other, of its shape, all networks, all finite."""
    wanted = {slot.name: slot.shape for layout in layouts for slot in layout.slots}
    known = wanted.keys() | {alias for layout in layouts for alias, _ in layout.aliases}
    for problem, names in (
        ("lacks", wanted.keys() - state.keys()),
        ("holds, beside the architecture's,", state.keys() - known),
    ):
        if names:
            raise DataError(f"{file}: {problem} {', '.join(sorted(names))}; is it of another run?")
    counts = {len(state[name]) for name in wanted if state[name].ndim} if together else {1}
    lead = (max(counts, default=0),) if together else ()
    for name, shape in wanted.items():
        found = tuple(state[name].shape)
        if found != (*lead, *shape) or 0 in lead:
            raise DataError(f"{file}: {name} has shape {found}, expected {(*lead, *shape)}")
        if not state[name].is_floating_point() and name in layouts[0].by_name:
            raise DataError(f"{file}: {name} is of type {str(state[name].dtype)[6:]}, not float")
        if not bool(torch.isfinite(state[name]).all()):
            raise DataError(f"{file}: {name} holds values that are not finite")


def _together(networks: WeightSet) -> Files:
    tensors = networks.layout.unflatten(networks.weights.cpu())
    tensors |= networks.buffer_layout.unflatten(networks.buffers.cpu())
    yield TOGETHER, {name: t.clone() for name, t in tensors.items()}


def _separate(networks: WeightSet) -> Files:
    digits = len(str(len(networks) - 1))
    for i in range(len(networks)):
        (state,) = networks[i : i + 1].state_dicts()
        yield f"network-{i:0{digits}d}.safetensors", {n: t.clone() for n, t in state.items()}
