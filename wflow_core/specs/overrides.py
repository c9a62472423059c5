"""Values of a spec replaced: from the command line by ``--set a.b=1``, or by a grid of a sweep."""

from __future__ import annotations

from typing import Any

from wflow_core.errors import SpecError, shorten
from wflow_core.interfaces.components import KeyPath
from wflow_core.specs.located_yaml import MAX_LEVELS, LocatedYaml, read_text


def override(source: LocatedYaml, assignment: str) -> None:
    """Put the right side of ``a.b=1``, which is YAML, in place of what is there.

    Raises:
        SpecError: it is no assignment, or there is nothing to set at that path.
    """
    dotted, sign, text = assignment.partition("=")
    if not sign or not is_path(dotted):
        raise SpecError([f"--set {shorten(assignment)}: must look like zoo.networks=100"])
    at = f"--set {dotted}"
    value = read_text(text, at)
    if value.problems:
        raise SpecError(value.problems)
    set_path(source, dotted, value, f"--set {shorten(assignment)}")


def is_path(dotted: str) -> bool:
    """Whether it looks like ``zoo.networks``."""
    keys = dotted.split(".")
    return all(keys) and len(keys) <= MAX_LEVELS


def set_path(source: LocatedYaml, dotted: str, value: LocatedYaml, origin: str) -> None:
    """Set the value at a dotted path, with the locations of all in it.

    Args:
        origin: of the value, for messages.

    Raises:
        SpecError: there is nothing to set at that path.
    """
    keys = dotted.split(".")
    target = source.data
    for key in keys[:-1]:
        target = _enter(target, key, origin)
    target[_index(target, keys[-1], origin)] = value.data
    path: KeyPath = tuple(int(k) if k.isdecimal() else k for k in keys)
    source.locations = _without(source.locations, path) | _below(path, value.locations)
    source.keys = _without(source.keys, path) | _below(path, value.keys)
    for n in range(1, len(path) + 1):  # what was not there before comes from here
        source.locations.setdefault(path[:n], value.name)


def _without(locations: dict[KeyPath, str], path: KeyPath) -> dict[KeyPath, str]:
    return {p: at for p, at in locations.items() if p[: len(path)] != path}


def _below(path: KeyPath, locations: dict[KeyPath, str]) -> dict[KeyPath, str]:
    return {(*path, *p): at for p, at in locations.items()}


def _enter(target: Any, key: str, origin: str) -> Any:
    """What is at ``key``; a bare name or nothing there becomes a mapping."""
    index = _index(target, key, origin)
    there = target.get(index) if isinstance(target, dict) else target[index]
    if there is None or isinstance(there, str):
        target[index] = {} if there is None else {"type": there}
    return target[index]


def _index(target: Any, key: str, origin: str) -> Any:
    if isinstance(target, dict):
        return key
    if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
        return int(key)
    raise SpecError([f"{origin}: there is nothing to set at {key!r}"])
