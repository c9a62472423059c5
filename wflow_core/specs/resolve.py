"""The components that a spec names: their classes loaded, their options validated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from wflow_core import registry
from wflow_core.errors import PluginError
from wflow_core.interfaces.component import ComponentSpec, Options
from wflow_core.interfaces.components import KeyPath
from wflow_core.specs.located_yaml import LocatedYaml
from wflow_core.specs.problems import dotted, validate

Named = tuple[str, KeyPath, Any]
"""Kind, path in the spec, and what is written there."""
TASK = "task"
"""What any component that is built from the run's task may have one of its own of."""


@dataclass(frozen=True)
class ResolvedComponent:
    """A component that a spec names: its class, where it comes from, its options."""

    kind: str
    name: str
    cls: type[Any]
    origin: str
    options: Options


def own_names(kind: str) -> tuple[str, ...]:
    """Names that may stand beside the options of a component of this kind."""
    return (TASK,) if TASK in registry.context_of(kind) else ()


def resolve(
    named: Iterable[Named], source: LocatedYaml, allow_code: bool = False
) -> tuple[dict[KeyPath, ResolvedComponent], list[str]]:
    """Load the class of every component, those that options hold among them, and validate options.

    Args:
        allow_code: let options name code, which is imported.

    Returns:
        ``{path: component}``, owners before what they hold; and a line for each unknown name,
        broken plugin and invalid option.
    """
    found: dict[KeyPath, ResolvedComponent] = {}
    problems: list[str] = []
    queue = deque(named)
    while queue:
        kind, path, value = queue.popleft()
        try:
            spec = value if isinstance(value, ComponentSpec) else ComponentSpec.parse(kind, value)
        except PydanticCustomError:
            continue  # wrong in its owner already
        try:
            cls = registry.load(kind, spec.type)
        except PluginError as error:
            at = source.location((*path, "type"))
            problems.append(f"{at}: {dotted(path)}: {error}")
            continue
        data, own = dict(spec.options), own_names(kind)
        queue.extend((n, (*path, n), data.pop(n)) for n in own if data.get(n) is not None)
        options, wrong = validate(cls.Config, data, source, path, own, allow_code)
        problems += wrong
        if options is not None:
            origin = registry.find(kind, spec.type).origin
            found[path] = ResolvedComponent(kind, spec.type, cls, origin, options)
            queue.extend((k, (*path, *at), of) for k, at, of in held(options))
    return found, problems


def held(options: Options) -> Iterator[tuple[str, KeyPath, ComponentSpec]]:
    """Components that options hold: ``(kind, path in the options, component)``."""
    for name, value in options:
        inner: Iterable[tuple[KeyPath, Any]] = [((name,), value)]
        if isinstance(value, tuple | list):
            inner = [((name, i), each) for i, each in enumerate(value)]
        elif isinstance(value, dict):
            inner = [((name, key), each) for key, each in value.items()]
        for path, each in inner:
            if isinstance(each, ComponentSpec):
                yield each.kind, path, each
            elif isinstance(each, Options):
                yield from ((kind, (*path, *at), of) for kind, at, of in held(each))
