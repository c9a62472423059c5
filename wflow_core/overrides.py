"""Values of a spec overridden from the command line: ``--set a.b=1``."""

from __future__ import annotations

from typing import Any

from wflow_core.errors import SpecError
from wflow_core.yaml_source import MOST_LEVELS, Keys, Source, read_text


def override(source: Source, assignment: str) -> None:
    """Put the right side of ``a.b=1``, which is YAML, in place of what is there.

    Raises:
        SpecError: it is no assignment, or there is nothing to set at that path.
    """
    dotted, sign, text = assignment.partition("=")
    keys = tuple(dotted.split("."))
    if not sign or not all(keys) or len(keys) > MOST_LEVELS:
        raise SpecError([f"--set {_short(assignment)}: must look like zoo.networks=100"])
    value = read_text(text, f"--set {dotted}")
    if value.problems:
        raise SpecError(value.problems)
    target = source.data
    for key in keys[:-1]:
        target = _enter(target, key, assignment)
    target[_index(target, keys[-1], assignment)] = value.data
    path: Keys = tuple(int(k) if k.isdecimal() else k for k in keys)
    source.places = {p: at for p, at in source.places.items() if p[: len(path)] != path}
    source.keys = {p: at for p, at in source.keys.items() if p[: len(path)] != path}
    source.places |= {(*path, *p): f"--set {dotted}" for p in {(), *value.places}}


def _enter(target: Any, key: str, assignment: str) -> Any:
    """What is at ``key``; a bare name or nothing there becomes a mapping."""
    index = _index(target, key, assignment)
    there = target.get(index) if isinstance(target, dict) else target[index]
    if there is None or isinstance(there, str):
        target[index] = {} if there is None else {"type": there}
    return target[index]


def _index(target: Any, key: str, assignment: str) -> Any:
    if isinstance(target, dict):
        return key
    if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
        return int(key)
    raise SpecError([f"--set {_short(assignment)}: there is nothing to set at {key!r}"])


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
