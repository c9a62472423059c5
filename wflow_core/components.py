"""The components that a spec names, loaded and their options checked: the sole use of the registry
on the way to a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from wflow_core import registry
from wflow_core.errors import PluginError
from wflow_core.spec_errors import Path, dotted, validate
from wflow_core.yaml_source import Source


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


ON_TASK = {"guidance": ("task",), "metric": ("task",)}
"""Kinds that may be given another task than the run's, and the words that this takes."""


@dataclass(frozen=True)
class Found:
    """A component named in the spec: its class, where it comes from, its options."""

    name: str
    cls: type[Any]
    origin: str
    options: dict[str, Any]


def find_all(
    named: Iterable[tuple[str, Path, Slot]], source: Source
) -> tuple[dict[Path, Found], list[str]]:
    """Load the class of every component named, and validate its options.

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
        options, wrong = validate(cls.Config, slot.options, source, path, ON_TASK.get(kind, ()))
        problems += wrong
        if options is not None:
            found[path] = Found(slot.type, cls, origin, options.model_dump())
    return found, problems
