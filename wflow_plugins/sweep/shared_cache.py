"""Runs beside each other that share what they have in common, such as one zoo for many flows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from wflow_core.errors import StoreError
from wflow_core.storage.files import link, remove, sync
from wflow_core.storage.store import MANIFEST, Store
from wflow_plugins.streaming.shards import TENSORS, shards

MAKING = ".making"


class Siblings:
    """The runs in a folder.

    Args:
        root: the folder of their run folders; none: a run without siblings.
    """

    def __init__(self, root: Path | None = None):
        self.root = root

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Let one process at a time make what has this key; the system lets go if it dies.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self.root is None:
            yield
            return
        locks = self.root / MAKING
        try:
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / key)
            lock.acquire()
        except OSError as error:
            raise StoreError(f"{locks}: cannot be written: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    def give(self, store: Store, name: str, key: str) -> bool:
        """Have the store take over a finished artefact of this key; whether there was one."""
        if self.root is None:
            return False
        others = sorted(p for p in self.root.iterdir() if not p.name.startswith("."))
        return any(take(store, name, key, p) for p in others if p.name != store.folder.name)

    def tidy(self) -> None:
        """Remove the locks, when nobody runs."""
        if self.root is not None:
            remove(self.root / MAKING)


def take(store: Store, name: str, key: str, other: Path) -> bool:
    """Take over an artefact of another folder, if it is there whole and of this key.

    Files of an artefact never change, so they are linked where the file system can. What is taken
    is checked where it came to, whatever happens to the other folder in the meantime.
    """
    fresh = store.folder / f".{name}.new"
    try:
        if Store(other).key(name) != key:
            return False
        remove(fresh)
        fresh.mkdir()
        manifest = Store(other).read_json(f"{name}/{MANIFEST}") or {}
        for file in (TENSORS, MANIFEST, *shards(manifest)):
            link(other / name / file, fresh / file)
        if store.load(fresh.name) and store.key(fresh.name) == key:
            sync(fresh)
            store.replace(store.folder / name, fresh)
            return True
    except (OSError, StoreError):
        pass  # It is made anew, which tells of what is wrong with this folder.
    remove(fresh)
    return False
