"""Networks as files that others can load.

Either all in one: ``weights.safetensors`` holds each parameter as ``[N, *shape]`` under its own
name; or one state dict a file.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from wflow_core.errors import StoreError
from wflow_core.files import clear_errors, remove
from wflow_core.weights import WeightSet


def write_networks(networks: WeightSet, folder: Path, separate: bool = False) -> None:
    """Write a new folder of networks with a manifest that names tensors, shapes and places.

    Raises:
        StoreError: the folder is there already, or cannot be written; nothing is left then.
    """
    if os.path.lexists(folder):
        raise StoreError(f"{folder}: is there already; give another --out")
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
        (fresh / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        for name in files:  # safetensors writes for the user alone
            shutil.copymode(fresh / "manifest.json", fresh / name)
        os.replace(fresh, folder)


def _together(networks: WeightSet) -> dict[str, dict[str, Tensor]]:
    tensors = networks.layout.unflatten(networks.weights.cpu())
    tensors |= networks.buffer_layout.unflatten(networks.buffers.cpu())
    return {"weights.safetensors": {name: t.clone() for name, t in tensors.items()}}


def _separate(networks: WeightSet) -> dict[str, dict[str, Tensor]]:
    digits = len(str(len(networks) - 1))
    return {
        f"network-{i:0{digits}d}.safetensors": {n: t.clone() for n, t in state.items()}
        for i, state in enumerate(networks.state_dicts())
    }
