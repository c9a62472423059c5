"""Whose folder it is: a run goes on in its own, and in no other's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wflow_core.errors import StoreError
from wflow_core.specs.problems import dotted
from wflow_core.specs.yaml_source import dump, read_file
from wflow_core.storage.files import clear_errors
from wflow_core.storage.store import Artefact, Store

SPEC, RECORD, METRICS = "spec.yaml", "record.json", "metrics.json"
HEADER = "# Written by wflow: the spec of the run in this folder, with every option.\n"
# The lock, and what a run leaves that is killed before its spec is there.
OWN = re.compile(r"\.lock|\..*\.(new|old)")
# What a run reads, by its name in the record.
READ = {"data": "the data of the task", "tasks": "the data of single components' tasks",
        "zoo": "the files of the zoo"}  # fmt: skip
# What may change between two runs of one folder: it decides no result.
FREE = ("hooks",)


def refuse_foreign(folder: Path) -> None:
    """Before anything is written, the lock among it.

    Raises:
        StoreError: the folder holds files that are no run of wflow's.
    """
    if not os.path.isdir(folder) or _is_run(folder):
        return
    with clear_errors(folder):
        others = sorted(p.name for p in folder.iterdir() if not OWN.fullmatch(p.name))
    if others:
        raise StoreError(
            f"{folder}: holds files that are no run ({', '.join(others[:3])}); "
            "give a new or empty --out"
        )


def claim(store: Store, resolved: dict[str, Any], sources: dict[str, Any], overwrite: bool) -> None:
    """Write the resolved spec, if the folder is new or holds a run of the same from the same data.

    Raises:
        StoreError: the folder holds another spec, or what it read has changed since.
    """
    path = store.folder / SPEC
    changes = list(differences(read_file(path).data, resolved, ())) if path.exists() else []
    known = store.read_json(RECORD) or {}
    changed = [READ[name] for name, of in sources.items() if known.get(name, of) != of]
    if (changes or changed) and not overwrite:
        other = f"another spec ({'; '.join(changes[:3])})" if changes else "other data"
        since = "" if changes else f": {' and '.join(changed)} changed since"
        raise StoreError(
            f"{store.folder}: holds a run of {other}{since}; give another --out, or --overwrite to "
            "replace what differs"
        )
    if changes or changed:
        # They tell of the other run: what is finished, and what it came to.
        store.remove(RECORD)
        store.remove(METRICS)
    store.write(SPEC, HEADER + dump(resolved))


def differences(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """``train.iterations 10 -> 20`` for each value that differs."""
    if path and path[0] in FREE:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name), after.get(name), (*path, name))
    elif before != after:
        yield f"{dotted(path)} {_short(before)} -> {_short(after)}"


def _is_run(folder: Path) -> bool:
    """A spec that a user put there makes no run, and is not to be written over."""
    try:
        with (folder / SPEC).open(encoding="utf-8", errors="replace") as file:
            return file.readline() == HEADER
    except OSError:
        return False


def finished(store: Store, stage: str, name: str) -> Artefact:
    """An artefact that the record knows as this spec's, not one that another run left.

    Raises:
        StoreError: its stage is not finished.
    """
    record = store.read_json(RECORD) or {}
    noted = record.get("stages", {}).get(stage, {}).get("key")
    if store.key(name) != noted:
        raise StoreError(
            f"{store.folder / name}: not of a finished stage {stage!r}; "
            "the same `wflow run` goes on from here"
        )
    return store.load(name)


def run_spec(folder: Path) -> Path:
    """The resolved spec of a run folder.

    Raises:
        StoreError: the folder is no run.
    """
    path = folder / SPEC
    if not os.path.exists(path):
        raise StoreError(f"{folder}: is no run folder (it has no {SPEC}); `wflow run` makes one")
    return path


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
