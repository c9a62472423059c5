"""Artefacts on disk: atomic, content-addressed, locked.

An artefact is a folder with ``tensors.safetensors`` and ``manifest.json``, which names each
tensor, its shape and place, the key of what made it, and the hash of the tensors. Weights that are
too large for memory lie beside in shards, ``weights-00001-of-00004.safetensors``. An artefact is
written beside its place, synced and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wflow_core.errors import DataError, StoreError
from wflow_core.memory import Memory
from wflow_core.storage.files import (
    clear_errors,
    content_hash,
    owned,
    read_tensors,
    remove,
    sync,
    to_json,
    unreadable,
    write_synced,
)
from wflow_core.storage.shards import TENSORS, described, files_of, place_shards, sharded, unread
from wflow_core.weights.stored import StoredWeights

FORMAT = 1
MANIFEST = "manifest.json"
FIELDS = {"key", "sha256", "seconds", "tensors", "data"}


@dataclass(frozen=True)
class Artefact:
    """What a stage made: named tensors, plain data, the hash of both, and the seconds it took."""

    tensors: dict[str, Tensor]
    data: dict[str, Any]
    sha256: str
    seconds: float = 0.0


class Store:
    """The artefacts of one folder.

    Args:
        memory: what artefacts may take; what is larger stays in its files when it is loaded.
    """

    def __init__(self, folder: Path, memory: Memory | None = None):
        self.folder, self.memory = Path(folder), memory

    @contextmanager
    def locked(self) -> Iterator[Store]:
        """Keep other runs out while the block runs; the system lets go if the process dies.

        Raises:
            StoreError: another run is in the folder, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"{self.folder}: another run is working here; wait for it, or give another --out"
            ) from error
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be written: {error.strerror}") from error
        try:
            self._sweep()
            yield self
        finally:
            lock.release()

    def save(
        self,
        name: str,
        key: str,
        tensors: Mapping[str, Tensor],
        data: Mapping[str, Any],
        seconds: float = 0.0,
    ) -> Artefact:
        """Write an artefact in place of any that has its name."""
        place, fresh = self.folder / name, self.folder / f".{name}.new"
        stored = {n: t for n, t in tensors.items() if isinstance(t, StoredWeights)}
        own = owned({n: t for n, t in tensors.items() if n not in stored})
        with clear_errors(place):
            remove(fresh)
            fresh.mkdir()
            save_file(own, fresh / TENSORS)
            shapes = {n: {"file": TENSORS, **described(t)} for n, t in own.items()}
            shapes |= {n: place_shards(n, t, fresh) for n, t in stored.items()}
            manifest: dict[str, Any] = {"tensors": shapes, "data": data}
            digest = content_hash(files_of(fresh, manifest), data)
            manifest |= {"format": FORMAT, "key": key, "sha256": digest, "seconds": seconds}
            write_synced(fresh / MANIFEST, to_json(manifest))
            # Safetensors writes for the user alone.
            shutil.copymode(fresh / MANIFEST, fresh / TENSORS)
            sync(fresh / TENSORS)
            sync(fresh)
            self.replace(place, fresh)
        found = {**own, **sharded(manifest, place, self.memory)}
        return Artefact(found, dict(data), digest, seconds)

    def key(self, name: str) -> str | None:
        """The key of a finished artefact; None where there is none."""
        there = self.read_json(f"{name}/{MANIFEST}") is not None
        return str(self._manifest(name)["key"]) if there else None

    def load(self, name: str) -> Artefact:
        """Read an artefact and check it against its hash.

        Raises:
            StoreError: it is not there, cannot be read, is of another format, or damaged.
        """
        manifest, path = self._manifest(name), self.folder / name / TENSORS
        try:
            tensors = read_tensors(path)
            tensors |= unread(manifest, path, tensors, self.memory)
            tensors |= sharded(manifest, path.parent, self.memory)
            digest = content_hash(files_of(path.parent, manifest), manifest["data"])
        except (FileNotFoundError, SafetensorError, DataError) as error:
            raise self._damaged(name, str(error)) from error
        except OSError as error:
            raise unreadable(path, error) from error
        if digest != manifest["sha256"]:
            raise self._damaged(name, "its content is not what was written")
        return Artefact(tensors, manifest["data"], digest, manifest["seconds"])

    def remove(self, name: str) -> None:
        """Remove an artefact or a file, if it is there."""
        remove(self.folder / name)

    def write(self, name: str, text: str) -> None:
        """Write a text file atomically."""
        place = self.folder / name
        with clear_errors(place):
            write_synced(place.with_name(f".{name}.new"), text)
            os.replace(place.with_name(f".{name}.new"), place)
            sync(self.folder)

    def write_json(self, name: str, data: Any) -> None:
        self.write(name, to_json(data))

    def read_json(self, name: str) -> Any:
        """The JSON object in a file of the folder; None where there is none."""
        path = self.folder / name
        try:
            found = json.loads(path.read_text())
            if not isinstance(found, dict):
                raise ValueError(f"not a JSON object but {type(found).__name__}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unreadable(path, error) from error
        except ValueError as error:
            raise StoreError(f"{path}: damaged ({error}); delete it and run again") from error
        return found

    def _manifest(self, name: str) -> dict[str, Any]:
        manifest = self.read_json(f"{name}/{MANIFEST}")
        if manifest is None:
            raise StoreError(f"{self.folder / name}: not there; run `wflow run` to make it")
        if manifest.get("format") != FORMAT or not manifest.keys() >= FIELDS:
            raise self._damaged(name, f"its manifest is not of format {FORMAT}")
        return manifest

    def _damaged(self, name: str, why: str) -> StoreError:
        place = self.folder / name
        return StoreError(f"{place}: damaged ({why}); delete the folder and run again")

    def replace(self, place: Path, fresh: Path) -> None:
        """Put the new folder in place; a death in between leaves it missing, never half there."""
        old = self.folder / f".{place.name}.old"
        if place.exists():
            os.replace(place, old)
        os.replace(fresh, place)
        sync(self.folder)
        remove(old)

    def _sweep(self) -> None:
        """Remove what a killed run left half written."""
        for left in [*self.folder.glob(".*.new"), *self.folder.glob(".*.old")]:
            remove(left)
