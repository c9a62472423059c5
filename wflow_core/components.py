"""The components that a spec names, loaded and their options checked: the sole use of the registry
on the way to a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wflow_core import registry
from wflow_core.errors import PluginError, SpecError
from wflow_core.spec import SpecFile, validate
from wflow_core.spec_errors import by_place, dotted

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Found:
    """A component named in the spec: its class, where it comes from, its options."""

    name: str
    cls: type[Any]
    origin: str
    options: dict[str, Any]


def find_all(file: SpecFile) -> dict[Path, Found]:
    """Load the class of every component and validate its options; ``{path in the spec: found}``.

    Raises:
        SpecError: unknown names, broken plugins and wrong options, all of them.
    """
    found: dict[Path, Found] = {}
    problems: list[str] = []
    for kind, path, slot in file.spec.slots():
        try:
            cls, origin = registry.load(kind, slot.type), registry.find(kind, slot.type).origin
        except PluginError as error:
            at = file.source.place((*path, "type"))
            problems.append(f"{at}: {dotted(path)}: {error}")
            continue
        options, wrong = validate(cls.Config, slot.options, file.source, path)
        problems += wrong
        if options is not None:
            found[path] = Found(slot.type, cls, origin, options.model_dump())
    if problems:
        raise SpecError(sorted(problems, key=by_place))
    return found
