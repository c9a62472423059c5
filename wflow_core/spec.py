"""The spec: YAML -> validated options, every error at once, each at file:line:column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wflow_core.errors import SpecError
from wflow_core.interfaces.component import Options
from wflow_core.options import SampleOptions, TrainOptions
from wflow_core.spec_errors import by_place, describe
from wflow_core.yaml_source import Source, read_file, read_text

Model = TypeVar("Model", bound=BaseModel)

LISTS = {"canonicalizers": "canonicalizer", "metrics": "metric", "hooks": "hook"}


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


class Spec(Options):
    """What a run is made of."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run folder")
    seed: int = Field(0, ge=0, lt=2**63)
    task: Slot
    architecture: Slot
    zoo: Slot
    canonicalizers: tuple[Slot, ...] = ()
    codec: Slot | None = None
    manifold: Slot = Slot(type="euclidean")
    prior: Slot
    coupling: Slot
    velocity: Slot
    train: TrainOptions = TrainOptions()
    solver: Slot = Slot(type="euler")
    guidance: Slot | None = None
    sample: SampleOptions = SampleOptions()
    metrics: tuple[Slot, ...] = ()
    hooks: tuple[Slot, ...] = (Slot(type="progress"), Slot(type="log"))

    def slots(self) -> list[tuple[str, tuple[str | int, ...], Slot]]:
        """Every component named: ``(kind, path in the spec, slot)``."""
        found: list[tuple[str, tuple[str | int, ...], Slot]] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Slot):
                found.append((name, (name,), value))
            elif name in LISTS:
                found += [(LISTS[name], (name, i), slot) for i, slot in enumerate(value)]
        return found


@dataclass(frozen=True)
class SpecFile:
    """A validated spec and the file it came from, which knows the places of its values."""

    spec: Spec
    source: Source


def load_spec(path: Path, overrides: Sequence[str] = ()) -> SpecFile:
    """Read and validate a spec; ``overrides`` are ``a.b=1``.

    Raises:
        SpecError: with every problem, each at its place.
    """
    return parse(read_file(path), overrides)


def spec_from_text(text: str, name: str = "spec", overrides: Sequence[str] = ()) -> SpecFile:
    """The same from a string."""
    return parse(read_text(text, name), overrides)


def parse(source: Source, overrides: Sequence[str] = ()) -> SpecFile:
    """Validate what was read."""
    if not isinstance(source.data, dict):
        raise SpecError([*source.problems, f"{source.name}: a spec must be a mapping of names"])
    for override in overrides:
        source.set(override)
    spec, problems = validate(Spec, source.data, source, ())
    if source.problems or spec is None:
        raise SpecError(sorted([*source.problems, *problems], key=by_place))
    return SpecFile(spec, source)


def validate(
    model: type[Model], data: Any, source: Source, path: tuple[str | int, ...]
) -> tuple[Model | None, list[str]]:
    """Validate options strictly; the model, or None and a line for each problem.

    Through JSON, so that lists may be tuples but no text is taken for a number.
    """
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, [describe(model, e, source, path) for e in error.errors()]
