"""What decides the result of a stage, as a hash.

Data is read and hashed once; a later run of the folder trusts the hash as long as none of the files
that the data was read from has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.components import Components, KeyPath
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.stage import Artefact, Stage
from wflow_core.seeds import stage_seed
from wflow_core.specs.problems import dotted


def stage_key(
    name: str,
    stage: Stage,
    components: Components,
    inputs: Mapping[str, Artefact],
    fingerprints: Fingerprints,
) -> str:
    """A hash of all that decides the result of a stage, and of nothing else."""
    fields = {name, *stage.fields}
    parts: dict[str, Any] = {
        "stage": name,
        "wflow": version("weightspace-flow"),
        "seed": stage_seed(components.seed, name),
        "options": {f: of for f, of in components.resolved.items() if f in fields},
        "plugins": {p: o for p, o in components.origins.items() if p.split(".")[0] in fields},
        "inputs": {of: artefact.sha256 for of, artefact in inputs.items()},
        "outside": fingerprints.of(paths_read(name, stage, components)),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def paths_read(name: str, stage: Stage, components: Components) -> list[KeyPath]:
    """Components whose data or files a stage reads: those in its fields, the run's task where one
    of them needs data, and what the stage adds."""
    fields = {name, *stage.fields}
    paths = [path for path in components.built if path[0] in fields]
    if any(DATA in components.built[path].needs for path in paths):
        paths.append(("task",))
    added = [id(of) for of in stage.reads(components)]
    paths += [path for path, of in components.built.items() if id(of) in added]
    return list(dict.fromkeys(paths))


class Fingerprints:
    """Fingerprints by the path of a component.

    Args:
        known: dotted path -> ``{"sha256": ..., "files": ...}``, as an earlier run recorded it.
    """

    def __init__(self, components: Components, known: Mapping[str, Mapping[str, Any]]):
        self.components, self.known = components, known
        self.taken: dict[str, dict[str, Any]] = {}

    def of(self, paths: Iterable[KeyPath]) -> dict[str, str]:
        """Fingerprints of the components that read something, by dotted path."""
        found = {dotted(path): self._entry(path)["sha256"] for path in paths}
        return {path: sha256 for path, sha256 in found.items() if sha256 is not None}

    def changed(self) -> list[str]:
        """Dotted paths of components that now read other data or files than recorded."""
        paths = {dotted(path): path for path in self.components.built}
        return [
            name
            for name, before in self.known.items()
            if name in paths and self._entry(paths[name])["sha256"] != before["sha256"]
        ]

    def _entry(self, path: KeyPath) -> dict[str, Any]:
        name, component = dotted(path), self.components.built[path]
        if name not in self.taken:
            files, before = _stamps(component), self.known.get(name)
            trusted = before is not None and files is not None and before.get("files") == files
            sha256 = before["sha256"] if trusted and before else component.fingerprint
            # Files that were not there before are those that computing the fingerprint fetched.
            self.taken[name] = {"sha256": sha256, "files": files or _stamps(component)}
        return self.taken[name]


def _stamps(component: Component) -> str | None:
    """A hash of the options of a component and of size and time of each of its files; None where
    it names no files, or one that is not there."""
    files: tuple[Path, ...] = getattr(component, "files", ())
    if not files or not all(path.exists() for path in files):
        return None
    stats = [(str(path.resolve()), path.stat()) for path in files]
    stamps = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr((component.config, stamps)).encode()).hexdigest()
