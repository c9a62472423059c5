"""Artefacts that the runs of one folder share, such as one zoo for many flows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from wflow_core.errors import StoreError
from wflow_core.storage.files import fsync, remove
from wflow_core.storage.store import MANIFEST, Store
from wflow_plugins.streaming.links import link

LOCK_DIR = ".locks"


class SharedCache:
    """The finished artefacts of all runs in a folder, by their keys.

    Implements :class:`~wflow_core.pipeline.driver.SharedArtefacts`.

    Args:
        root: the folder of the run folders.
    """

    def __init__(self, root: Path):
        self.root = root

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Let one process at a time make the artefact of this key.

        A process that dies releases the lock.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder = self.root / LOCK_DIR
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / key)
            lock.acquire()
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    def fetch(self, store: Store, name: str, key: str) -> bool:
        """Link an artefact of this key into a store; whether another run had one."""
        folders = sorted(p for p in self.root.iterdir() if not p.name.startswith("."))
        others = (p for p in folders if p.name != store.folder.name)
        return any(link_from(other, store, name, key) for other in others)

    def remove_locks(self) -> None:
        """Remove the files of the locks, while nothing runs."""
        remove(self.root / LOCK_DIR)


def link_from(other: Path, store: Store, name: str, key: str) -> bool:
    """Link an artefact of another folder, if it is there, undamaged and of this key.

    Files of an artefact never change, so they are linked where the file system can. The copy is
    checked in its own folder, whatever happens to the other in the meantime.

    Returns:
        Whether the store has the artefact now.
    """
    source, fresh = Store(other), store.folder / f".{name}.new"
    try:
        if source.key(name) != key:
            return False
        remove(fresh)
        fresh.mkdir()
        manifest = source.manifest(name)
        for file in (*store.storage.files(manifest["tensors"]), MANIFEST):
            link(other / name / file, fresh / file)
        if store.load(fresh.name) and store.key(fresh.name) == key:
            fsync(fresh)
            store.replace(store.folder / name, fresh)
            return True
    except (OSError, StoreError):
        pass  # The stage runs instead, and reports what is wrong with this folder.
    remove(fresh)
    return False
