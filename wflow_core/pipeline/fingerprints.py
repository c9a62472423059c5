"""Fingerprints of what components read from outside the spec, and when they must be taken anew.

Data is read and hashed once; a later run of the folder trusts the hash as long as none of the files
that the data was read from has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.components import Components, KeyPath
from wflow_core.specs.problems import dotted


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
            self.taken[name] = {"sha256": sha256, "files": files}
        return self.taken[name]


def _stamps(component: Component) -> str | None:
    """A hash of the options of a component and of size and time of each of its files; None where
    it names no files."""
    files: tuple[Path, ...] = getattr(component, "files", ())
    if not files:
        return None
    stats = [(str(path.resolve()), path.stat()) for path in files]
    stamps = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr((component.config, stamps)).encode()).hexdigest()
