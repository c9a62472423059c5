"""Artefacts on disk: atomic, content-addressed, locked.

An artefact is a folder with ``manifest.json``, which names each tensor, its shape and file, the key
of what made it and the hash of its content, and the files of its tensors. It is written beside its
place, synced and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from torch import Tensor

from wflow_core.errors import DataError, StoreError
from wflow_core.interfaces.stage import Artefact
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.storage.files import (
    content_hash,
    fsync,
    remove,
    to_json,
    translate_io_errors,
    unreadable,
    write_synced,
)
from wflow_core.storage.tensors import InMemory

FORMAT = 1
MANIFEST = "manifest.json"
FIELDS = {"key", "sha256", "seconds", "tensors", "data"}


class Store:
    """The artefacts of one folder.

    Args:
        storage: writes and reads their tensors.
    """

    def __init__(self, folder: Path, storage: TensorStorage | None = None):
        self.folder, self.storage = Path(folder), storage or InMemory()

    @contextmanager
    def locked(self) -> Iterator[Store]:
        """Keep other runs out during the block; a process that dies releases the lock.

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
            self._remove_leftovers()
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
        """Write an artefact in place of any of its name.

        Tensors are stored and hashed in the order of their names.
        """
        place, fresh = self.folder / name, self.folder / f".{name}.new"
        with translate_io_errors(place):
            remove(fresh)
            fresh.mkdir()
            entries = self.storage.write(dict(sorted(tensors.items())), fresh)
            manifest: dict[str, Any] = {"tensors": entries, "data": data}
            digest = content_hash([fresh / f for f in self.storage.files(entries)], data)
            manifest |= {"format": FORMAT, "key": key, "sha256": digest, "seconds": seconds}
            write_synced(fresh / MANIFEST, to_json(manifest))
            fsync(fresh)
            self.replace(place, fresh)
        stored = self.storage.stored(tensors, entries, place)
        return Artefact(dict(sorted(stored.items())), dict(data), digest, seconds)

    def key(self, name: str) -> str | None:
        """The key of a finished artefact; None where there is none."""
        there = self.read_json(f"{name}/{MANIFEST}") is not None
        return str(self.manifest(name)["key"]) if there else None

    def load(self, name: str) -> Artefact:
        """Read an artefact and check it against its hash.

        Raises:
            StoreError: it is not there, cannot be read, is of another format, or damaged.
        """
        manifest, folder = self.manifest(name), self.folder / name
        try:
            tensors = dict(sorted(self.storage.read(manifest["tensors"], folder).items()))
            files = [folder / file for file in self.storage.files(manifest["tensors"])]
            digest = content_hash(files, manifest["data"])
        except (FileNotFoundError, SafetensorError, DataError) as error:
            raise self._damaged(name, str(error)) from error
        except OSError as error:
            raise unreadable(Path(error.filename or folder), error) from error
        if digest != manifest["sha256"]:
            raise self._damaged(name, "its content is not what was written")
        return Artefact(tensors, manifest["data"], digest, manifest["seconds"])

    def manifest(self, name: str) -> dict[str, Any]:
        """What is written about an artefact.

        Raises:
            StoreError: it is not there, or of another format.
        """
        manifest = self.read_json(f"{name}/{MANIFEST}")
        if manifest is None:
            raise StoreError(f"{self.folder / name}: not there; run `wflow run` to make it")
        if manifest.get("format") != FORMAT or not manifest.keys() >= FIELDS:
            raise self._damaged(name, f"its manifest is not of format {FORMAT}")
        return dict(manifest)

    def remove(self, name: str) -> None:
        """Remove an artefact or a file, if it is there."""
        remove(self.folder / name)

    def write(self, name: str, text: str) -> None:
        """Write a text file atomically."""
        place = self.folder / name
        with translate_io_errors(place):
            write_synced(place.with_name(f".{name}.new"), text)
            os.replace(place.with_name(f".{name}.new"), place)
            fsync(self.folder)

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

    def _damaged(self, name: str, why: str) -> StoreError:
        place = self.folder / name
        return StoreError(f"{place}: damaged ({why}); delete the folder and run again")

    def replace(self, place: Path, fresh: Path) -> None:
        """Put the new folder in place; a death in between leaves it missing, never half there."""
        old = self.folder / f".{place.name}.old"
        if place.exists():
            os.replace(place, old)
        os.replace(fresh, place)
        fsync(self.folder)
        remove(old)

    def _remove_leftovers(self) -> None:
        """Remove what a killed run left half written."""
        for left in [*self.folder.glob(".*.new"), *self.folder.glob(".*.old")]:
            remove(left)
