"""Values of a spec replaced: from the command line by ``--set a.b=1``, or by a grid of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from wflow_core.errors import SpecError
from wflow_core.specs.yaml_source import MOST_LEVELS, Keys, Source, read_text


def override(source: Source, assignment: str) -> None:
    """Put the right side of ``a.b=1``, which is YAML, in place of what is there.

    Raises:
        SpecError: it is no assignment, or there is nothing to set at that path.
    """
    dotted, sign, text = assignment.partition("=")
    if not sign or not is_path(dotted):
        raise SpecError([f"--set {_short(assignment)}: must look like zoo.networks=100"])
    at = f"--set {dotted}"
    value = read_text(text, at)
    if value.problems:
        raise SpecError(value.problems)
    put(source, dotted, value, f"--set {_short(assignment)}")


def is_path(dotted: str) -> bool:
    """Whether it looks like ``zoo.networks``."""
    keys = dotted.split(".")
    return all(keys) and len(keys) <= MOST_LEVELS


def put(source: Source, dotted: str, value: Source, said: str) -> None:
    """Put a value, which brings its places along, at a dotted path.

    Args:
        said: where it is said, for the message.

    Raises:
        SpecError: there is nothing to set at that path.
    """
    keys = dotted.split(".")
    target = source.data
    for key in keys[:-1]:
        target = _enter(target, key, said)
    target[_index(target, keys[-1], said)] = value.data
    path: Keys = tuple(int(k) if k.isdecimal() else k for k in keys)
    source.places = _without(source.places, path) | _below(path, value.places)
    source.keys = _without(source.keys, path) | _below(path, value.keys)
    for n in range(1, len(path) + 1):  # what was not there before comes from here
        source.places.setdefault(path[:n], value.name)


def _without(places: dict[Keys, str], path: Keys) -> dict[Keys, str]:
    return {p: at for p, at in places.items() if p[: len(path)] != path}


def _below(path: Keys, places: dict[Keys, str]) -> dict[Keys, str]:
    return {(*path, *p): at for p, at in places.items()}


def part(source: Source, path: Iterable[str | int]) -> Source:
    """A value of a file with the places of all in it, to be put elsewhere."""
    path = tuple(path)
    data, n = source.data, len(path)
    for key in path:
        data = data[key]
    data = deepcopy(data)
    places, keys = (
        {p[n:]: at for p, at in of.items() if p[:n] == path} for of in (source.places, source.keys)
    )
    return Source(source.place(path), data, places, keys)


def _enter(target: Any, key: str, said: str) -> Any:
    """What is at ``key``; a bare name or nothing there becomes a mapping."""
    index = _index(target, key, said)
    there = target.get(index) if isinstance(target, dict) else target[index]
    if there is None or isinstance(there, str):
        target[index] = {} if there is None else {"type": there}
    return target[index]


def _index(target: Any, key: str, said: str) -> Any:
    if isinstance(target, dict):
        return key
    if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
        return int(key)
    raise SpecError([f"{said}: there is nothing to set at {key!r}"])


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
