"""The folder of a run and its record: resume a matching run, refuse any other folder."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from wflow_core.errors import StoreError, shorten
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.stage import Artefact
from wflow_core.pipeline.keys import Fingerprints
from wflow_core.seeds import stage_seed
from wflow_core.specs.located_yaml import dump, read_file
from wflow_core.specs.problems import dotted
from wflow_core.storage.files import translate_io_errors
from wflow_core.storage.store import Store

SPEC, RECORD, METRICS = "spec.yaml", "record.json", "metrics.json"
HEADER = "# Written by wflow: the spec of the run in this folder, with every option.\n"
# The lock, and what a run leaves that is killed before its spec is there.
INTERNAL_FILES = re.compile(r"\.lock|\..*\.(new|old)")
# Versions that results depend on.
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "safetensors", "pydantic")
# What may change between two runs of one folder: it decides no result.
IGNORED_FIELDS = ("hooks",)


def check_empty_or_run(folder: Path) -> None:
    """Before anything is written, the lock among it.

    Raises:
        StoreError: the folder holds files that are no run of wflow's.
    """
    if not os.path.isdir(folder) or _is_run(folder):
        return
    with translate_io_errors(folder):
        others = sorted(p.name for p in folder.iterdir() if not INTERNAL_FILES.fullmatch(p.name))
    if others:
        raise StoreError(
            f"{folder}: holds files that are no run ({', '.join(others[:3])}); "
            "give a new or empty --out"
        )


def bind_spec(
    store: Store, components: Components, fingerprints: Fingerprints, overwrite: bool
) -> None:
    """Write the resolved spec, if the folder is new or holds a run of the same from the same data.

    Raises:
        StoreError: the folder holds another spec, or what it read has changed since.
    """
    path, resolved = store.folder / SPEC, dict(components.resolved)
    changes = list(differences(read_file(path).data, resolved, ())) if path.exists() else []
    changed = [] if changes else fingerprints.changed()
    if (changes or changed) and not overwrite:
        other = f"another spec ({'; '.join(changes[:3])})" if changes else "other data"
        since = "" if changes else f": what {' and '.join(changed)} reads has changed since"
        raise StoreError(
            f"{store.folder}: holds a run of {other}{since}; give another --out, or --overwrite to "
            "replace what differs"
        )
    if changes or changed:
        # They are of the other run: its finished stages, and its results.
        store.remove(RECORD)
        store.remove(METRICS)
    store.write(SPEC, HEADER + dump(resolved))


def differences(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """``train.iterations 10 -> 20`` for each value that differs."""
    if path and path[0] in IGNORED_FIELDS:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            yield from differences(before.get(name), after.get(name), (*path, name))
    elif before != after:
        yield f"{dotted(path)} {shorten(before, 40)} -> {shorten(after, 40)}"


def _is_run(folder: Path) -> bool:
    """Whether wflow wrote the spec there; a user's own is not to be overwritten."""
    try:
        with (folder / SPEC).open(encoding="utf-8", errors="replace") as file:
            return file.readline() == HEADER
    except OSError:
        return False


def run_spec(folder: Path) -> Path:
    """The resolved spec of a run folder.

    Raises:
        StoreError: the folder is no run.
    """
    path = folder / SPEC
    if not os.path.exists(path):
        raise StoreError(f"{folder}: is no run folder (it has no {SPEC}); `wflow run` makes one")
    return path


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
