"""The components that a spec names: their classes loaded, their options validated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic_core import PydanticCustomError

from wflow_core import registry
from wflow_core.errors import PluginError
from wflow_core.interfaces.component import ComponentSpec, Options, Slot
from wflow_core.interfaces.components import KeyPath
from wflow_core.specs.located_yaml import LocatedYaml
from wflow_core.specs.problems import describe, dotted, validate

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
        except PydanticCustomError as wrong:  # in the same words as of its owner
            error = {"type": wrong.type, "loc": (), "msg": wrong.message(), "input": value}
            problems += [describe(Options, error, value, source, path)] * (value is not None)
            continue
        try:
            cls = registry.load(kind, spec.type)
        except PluginError as unusable:
            at = source.location((*path, "type"))
            problems.append(f"{at}: {dotted(path)}: {unusable}")
            continue
        data, own = dict(spec.options), own_names(kind)
        queue.extend((name, (*path, name), data.pop(name, None)) for name in own)
        options, invalid = validate(cls.Config, data, source, path, own, allow_code)
        problems += invalid
        if options is not None:
            origin = registry.find(kind, spec.type).origin
            found[path] = ResolvedComponent(kind, spec.type, cls, origin, options)
        inner = written(cls.Config, data) if options is None else held(options)
        queue.extend((k, (*path, *at), of) for k, at, of in inner)
    return found, problems


def written(model: type[Options], data: Mapping[str, Any]) -> Iterator[Named]:
    """What stands where a component is expected, however invalid the rest of the options."""
    for name, field in model.model_fields.items():
        value = data.get(name)
        if slot := _slot(field.metadata):
            yield slot.kind, (name,), value
            continue
        slot = _slot(
            m for of in get_args(field.annotation) for m in getattr(of, "__metadata__", ())
        )
        if slot and isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((slot.kind, (name, key), each) for key, each in items)


def _slot(metadata: Iterable[Any]) -> Slot | None:
    return next((of for of in metadata if isinstance(of, Slot)), None)


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
