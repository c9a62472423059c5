"""The record of a run: versions, seeds, hashes, seconds, and the keys of finished stages."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact
from wflow_core.pipeline.fingerprints import Fingerprints
from wflow_core.pipeline.run_folder import RECORD
from wflow_core.seeds import stage_seed
from wflow_core.storage.store import Store

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "safetensors", "pydantic")


class RunRecord:
    """``record.json``, written again after every stage.

    Attributes:
        stages: name -> key, hash, seed and seconds of each finished stage.
        files: dotted path of a component -> fingerprint of what it read.
    """

    def __init__(self, components: Components, store: Store, device: torch.device):
        self.components, self.store, self.device = components, store, device
        before = store.read_json(RECORD) or {}
        self.stages: dict[str, Any] = before.get("stages", {})
        self.files: dict[str, Any] = before.get("read", {})

    def finish(self, stage: str, key: str, artefact: Artefact, read: Fingerprints) -> None:
        """Note a finished stage."""
        seed = stage_seed(self.components.seed, stage)
        done = {"key": key, "sha256": artefact.sha256, "seed": seed, "seconds": artefact.seconds}
        self.stages[stage] = done
        self.store.write_json(RECORD, self._to_json(read))

    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, those of a reused one as it was first made."""
        active = self.components.stages
        return {name: of["seconds"] for name, of in self.stages.items() if name in active}

    def _to_json(self, read: Fingerprints) -> dict[str, Any]:
        return {
            "name": self.components.name,
            "seed": self.components.seed,
            "versions": versions(),
            "machine": machine(self.device),
            "storage": repr(self.store.storage),
            "plugins": dict(self.components.origins),
            "read": {p: of for p, of in read.taken.items() if of["sha256"] is not None},
            "stages": self.stages,
        }


def versions() -> dict[str, str]:
    """Of wflow, Python and the packages that results depend on."""
    own = {"wflow": version("weightspace-flow"), "python": platform.python_version()}
    return own | {name: version(name) for name in PACKAGES}


def machine(device: torch.device) -> dict[str, Any]:
    """The machine and its configuration."""
    return {
        "system": platform.platform(),
        "device": str(device),
        "threads": torch.get_num_threads(),
    }
