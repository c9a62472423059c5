"""The components that a spec names, loaded and their options checked: the sole use of the registry
on the way to a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from wflow_core import registry
from wflow_core.errors import PluginError
from wflow_core.specs.named_code import code_origin, refusal
from wflow_core.specs.problems import Path, dotted, validate
from wflow_core.specs.yaml_source import Source


class Slot(BaseModel):
    """A component by name, with its options beside it; a bare name stands for one without."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class TaskSlot(Slot):
    """One that may be given another task than the run's."""

    task: Slot | None = None


SOURCES = "zoos"
"""The option of a zoo that names the sources it is made of."""
ON_TASK = {"guidance": ("task",), "metric": ("task",)}
"""Kinds that may be given another task than the run's, and the words that this takes."""


@dataclass(frozen=True)
class Found:
    """A component named in the spec: its class, where it comes from, its options."""

    name: str
    cls: type[Any]
    origin: str
    options: dict[str, Any]


def beside(kind: str, path: Path) -> tuple[str, ...]:
    """Words that may stand beside the options of a component at a place."""
    within = kind == "zoo" and len(path) > 1  # the zoo itself is of the run's task
    return ("task",) if within else ON_TASK.get(kind, ())


def find_all(
    named: Iterable[tuple[str, Path, Slot]], source: Source, allow_code: bool = False
) -> tuple[dict[Path, Found], list[str]]:
    """Load the class of every component named, and validate its options.

    Args:
        allow_code: let options name code, which is imported.

    Returns:
        ``{path in the spec: found}``; unknown names, broken plugins and wrong options, a line each.
    """
    found: dict[Path, Found] = {}
    problems: list[str] = []
    for kind, path, slot in named:
        try:
            cls, origin = registry.load(kind, slot.type), registry.find(kind, slot.type).origin
        except PluginError as error:
            at = source.place((*path, "type"))
            problems.append(f"{at}: {dotted(path)}: {error}")
            continue
        options, wrong = validate(cls.Config, slot.options, source, path, beside(kind, path))
        problems += wrong
        if options is not None:
            given = options.model_dump()
            codes, refused = _code(cls, given, source, path, allow_code)
            problems += refused
            found[path] = Found(slot.type, cls, ", ".join([origin, *codes]), given)
    return found, problems


def _code(
    cls: type[Any], options: dict[str, Any], source: Source, path: Path, allowed: bool
) -> tuple[list[str], list[str]]:
    """Where the code that options name comes from; what is refused of it, a line each."""
    origins, problems = [], []
    for option in sorted(name for name in cls.code if options.get(name) is not None):
        where = (*path, option)
        try:
            if not allowed:
                raise PluginError(refusal(options[option]))
            origins.append(code_origin(options[option]))
        except PluginError as error:
            problems.append(f"{source.place(where)}: {dotted(where)}: {error}")
    return origins, problems
