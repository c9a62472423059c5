"""What decides the result of a stage, as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from wflow_core.interfaces.components import Components, KeyPath
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.stage import Artefact, Stage
from wflow_core.pipeline.fingerprints import Fingerprints
from wflow_core.seeds import stage_seed


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
