"""The record of a run: versions, seeds, hashes, seconds, and the keys of finished stages."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import torch

from wflow_core.assembly.assembly import Assembly
from wflow_core.runs.run_folder import RECORD
from wflow_core.seeds import stage_seed
from wflow_core.storage.store import Artefact, Store

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "safetensors", "pydantic")
# What of the spec, and which components, each stage adds to what its result depends on.
DEPENDS = {
    "collect": ("task", "architecture", "zoo"),
    "canonicalize": ("canonicalizers",),
    "encode": ("codec",),
    "train": ("manifold", "prior", "coupling", "velocity", "condition", "train"),
    "sample": ("solver", "guidance", "sample"),
    "evaluate": ("metrics", "nulls"),
}
BESIDE = {"reference": ("task", "zoo", "sample")}
"""Stages that depend on no other: what of the spec they depend on."""
READS_DATA = ("collect", "sample", "reference", "evaluate")
READS_ZOO = ("collect", "reference")


class Record:
    """``record.json``, written anew after every stage."""

    def __init__(
        self, assembly: Assembly, store: Store, device: torch.device, sources: dict[str, Any]
    ):
        self.assembly, self.store, self.device = assembly, store, device
        self.sources = sources
        before = store.read_json(RECORD) or {}
        self.stages: dict[str, Any] = before.get("stages", {})

    def key(self, stage: str, inputs: Iterable[Artefact]) -> str:
        """What decides a stage's result: options and plugins up to it, its seed, its inputs."""
        a, names = self.assembly, _depends(stage)
        parts = {
            "stage": stage,
            "wflow": version("weightspace-flow"),
            "seed": stage_seed(a.spec.seed, stage),
            "options": {name: a.resolved[name] for name in names if name in a.resolved},
            "plugins": {p: o for p, o in a.origins.items() if p.split(".")[0] in names},
            "inputs": [artefact.sha256 for artefact in inputs],
            "data": self.sources["data"] if stage in READS_DATA else None,
            "zoo": self.sources["zoo"] if stage in READS_ZOO else None,
        }
        tasks = {
            place: data
            for place, data in self.sources["tasks"].items()
            if place.split(".")[0] in (DEPENDS | BESIDE)[stage]
        }
        parts |= {"tasks": tasks} if tasks else {}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def finish(self, stage: str, key: str, sha256: str | None, seconds: float) -> None:
        """Note a finished stage."""
        seed = stage_seed(self.assembly.spec.seed, stage)
        self.stages[stage] = {"key": key, "sha256": sha256, "seed": seed, "seconds": seconds}
        self.store.write_json(RECORD, self.to_json())

    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, those of a reused one as it was first made."""
        return {stage: entry["seconds"] for stage, entry in self.stages.items()}

    def to_json(self) -> dict[str, Any]:
        a, memory = self.assembly, self.store.memory
        return {
            "name": a.spec.name,
            "seed": a.spec.seed,
            "versions": versions(),
            "machine": machine(self.device),
            "memory": memory.budget if memory else None,
            "plugins": a.origins,
            **self.sources,
            "stages": self.stages,
        }


def sources(assembly: Assembly) -> dict[str, Any]:
    """Hashes of what a run reads: its task's data, those of single components' tasks by their
    place, and the zoo's files."""
    return {
        "data": assembly.task.fingerprint,
        "tasks": {place: task.fingerprint for place, task in assembly.tasks.items()},
        "zoo": assembly.zoo.fingerprint,
    }


def _depends(stage: str) -> list[str]:
    """What of the spec a stage depends on, through the stages before it, too."""
    stages = list(DEPENDS)
    before = () if stage in BESIDE else stages[: stages.index(stage) + 1]
    return [*BESIDE.get(stage, ()), *(name for s in before for name in DEPENDS[s])]


def versions() -> dict[str, str]:
    """Of wflow, Python and the packages that results depend on."""
    own = {"wflow": version("weightspace-flow"), "python": platform.python_version()}
    return own | {name: version(name) for name in PACKAGES}


def machine(device: torch.device) -> dict[str, Any]:
    """What a run ran on."""
    return {
        "system": platform.platform(),
        "device": str(device),
        "threads": torch.get_num_threads(),
    }
