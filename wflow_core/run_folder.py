"""Whose folder it is: a run goes on in its own, and in no other's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wflow_core.errors import StoreError
from wflow_core.spec_errors import dotted
from wflow_core.store import Store
from wflow_core.yaml_source import dump, read_file

SPEC = "spec.yaml"
# What may change between two runs of one folder: it decides no result.
FREE = ("hooks",)


def claim(store: Store, resolved: dict[str, Any], overwrite: bool) -> None:
    """Write the resolved spec, if the folder is new or holds the same one.

    Raises:
        StoreError: the folder holds another spec, or files that are no run of wflow's.
    """
    path = store.folder / SPEC
    if path.exists() and not overwrite:
        before = read_file(path).data
        changes = list(differences(before, resolved, ()))
        if changes:
            raise StoreError(
                f"{store.folder}: holds a run of another spec ({'; '.join(changes[:3])}); give "
                "another --out, or --overwrite to replace what differs"
            )
    others = [p.name for p in store.folder.iterdir() if p.name != ".lock"]
    if not path.exists() and others:
        raise StoreError(
            f"{store.folder}: holds files that are no run ({', '.join(sorted(others)[:3])}); "
            "give a new or empty --out"
        )
    store.write(SPEC, dump(resolved))


def differences(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    """``train.iterations 10 -> 20`` for each value that differs."""
    if path and path[0] in FREE:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name), after.get(name), (*path, name))
    elif before != after:
        yield f"{dotted(path)} {_short(before)} -> {_short(after)}"


def run_spec(folder: Path) -> Path:
    """The resolved spec of a run folder.

    Raises:
        StoreError: the folder is no run.
    """
    path = folder / SPEC
    if not path.exists():
        raise StoreError(f"{folder}: is no run folder (it has no {SPEC}); `wflow run` makes one")
    return path


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
