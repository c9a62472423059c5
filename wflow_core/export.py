"""Networks as files that others can load.

Either all in one: ``weights.safetensors`` holds each parameter as ``[N, *shape]`` under its own
name; or one state dict a file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from wflow_core.errors import DataError, StoreError
from wflow_core.files import clear_errors, read_tensors, remove, to_json, write_synced
from wflow_core.layout import WeightLayout
from wflow_core.weights import WeightSet

TOGETHER, MANIFEST = "weights.safetensors", "manifest.json"


def write_networks(networks: WeightSet, folder: Path, separate: bool = False) -> None:
    """Write a new folder of networks with a manifest that names tensors, shapes and places.

    Raises:
        StoreError: the folder is there already, or cannot be written; nothing is left then.
    """
    refuse_existing(folder)
    fresh = folder.with_name(f".{folder.name}.new")
    with clear_errors(folder):
        remove(fresh)
        fresh.mkdir(parents=True)
        files = _separate(networks) if separate else _together(networks)
        for name, tensors in files.items():
            save_file(tensors, fresh / name)
        manifest = {
            "networks": len(networks),
            "files": {
                name: {
                    n: {"shape": list(t.shape), "dtype": str(t.dtype)[6:]} for n, t in of.items()
                }
                for name, of in files.items()
            },
        }
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


def read_networks(folder: Path, module: nn.Module) -> WeightSet:
    """The networks of a folder that ``write_networks`` made, for ``module``'s architecture.

    Raises:
        DataError: the folder is no such folder, a file is damaged, or a network does not fit.
    """
    names, together = _listed(folder)
    states = [_read(folder / name) for name in names]
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    for name, state in zip(names, states, strict=True):
        _check(folder / name, state, layouts, together)
    if together:
        weights, buffers = (layout.flatten(states[0]) for layout in layouts)
        buffers = buffers.expand(len(weights), -1)  # without buffers, nothing says how many
        return WeightSet.of(module, weights.float(), buffers.float())
    return WeightSet.of_state_dicts(module, [{n: t.float() for n, t in s.items()} for s in states])


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


def _together(networks: WeightSet) -> dict[str, dict[str, Tensor]]:
    tensors = networks.layout.unflatten(networks.weights.cpu())
    tensors |= networks.buffer_layout.unflatten(networks.buffers.cpu())
    return {TOGETHER: {name: t.clone() for name, t in tensors.items()}}


def _separate(networks: WeightSet) -> dict[str, dict[str, Tensor]]:
    digits = len(str(len(networks) - 1))
    return {
        f"network-{i:0{digits}d}.safetensors": {n: t.clone() for n, t in state.items()}
        for i, state in enumerate(networks.state_dicts())
    }
