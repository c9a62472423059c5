"""The spec: YAML -> validated options, every error at once, each at file:line:column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from wflow_core.errors import SpecError
from wflow_core.interfaces.component import Options
from wflow_core.registry import KINDS
from wflow_core.specs.components import SOURCES, Found, Slot, TaskSlot, beside, find_all
from wflow_core.specs.options import ConditionOptions, NullName, SampleOptions, TrainOptions
from wflow_core.specs.overrides import override
from wflow_core.specs.problems import Path as Keys, by_place, validate
from wflow_core.specs.yaml_source import Source, read_file, read_text

SAMPLED: Keys = ("sample", "architecture")
LISTS = {"canonicalizers": "canonicalizer", "metrics": "metric", "hooks": "hook"}


class Spec(Options):
    """What a run is made of."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run folder")
    seed: int = Field(0, ge=0, lt=2**63, description="decides every draw of the run")
    task: Slot
    architecture: Slot
    zoo: Slot
    canonicalizers: tuple[Slot, ...] = ()
    codec: Slot | None = None
    manifold: Slot = Slot(type="euclidean")
    prior: Slot
    coupling: Slot
    velocity: Slot
    condition: ConditionOptions = ConditionOptions()
    train: TrainOptions = TrainOptions()
    solver: Slot = Slot(type="euler")
    guidance: TaskSlot | None = None
    sample: SampleOptions = SampleOptions()
    metrics: tuple[TaskSlot, ...] = ()
    nulls: tuple[NullName, ...] | None = Field(
        None, description="made and measured beside the samples; all that can be had by default"
    )
    hooks: tuple[Slot, ...] = (Slot(type="progress"), Slot(type="log"), Slot(type="report"))


@dataclass(frozen=True)
class SpecFile:
    """A validated spec, its components, and the file, which knows the places of its values."""

    spec: Spec
    source: Source
    found: Mapping[Keys, Found]


def load_spec(
    path: Path | str, overrides: Sequence[str] = (), allow_code: bool = False
) -> SpecFile:
    """Read and validate a spec; ``overrides`` are ``a.b=1``.

    Args:
        allow_code: import the code that the spec names, which may do anything.

    Raises:
        SpecError: with every problem, each at its place.
    """
    return parse(read_file(Path(path)), overrides, allow_code)


def spec_from_text(
    text: str, name: str = "spec", overrides: Sequence[str] = (), allow_code: bool = False
) -> SpecFile:
    """The same from a string."""
    return parse(read_text(text, name), overrides, allow_code)


def parse(source: Source, overrides: Sequence[str] = (), allow_code: bool = False) -> SpecFile:
    """Validate what was read."""
    if not isinstance(source.data, dict):
        wrong = f"{source.place(())}: a spec must be a mapping of names"
        raise SpecError([*source.problems, wrong])
    for assignment in overrides:
        override(source, assignment)
    spec, problems = validate(Spec, source.data, source, ())
    slots = named(spec.model_dump() if spec else source.data)
    found, more = find_all(slots, source, allow_code)
    # What could not be read is wrong in its place already.
    unread = {by_place(line)[:3] for line in source.problems}
    problems = [line for line in problems + more if by_place(line)[:3] not in unread]
    if spec is None or problems or source.problems:
        raise SpecError(sorted([*source.problems, *problems], key=by_place))
    return SpecFile(spec, source, found)


def named(data: Mapping[str, Any]) -> list[tuple[str, Keys, Slot]]:
    """Every component that a spec names, wrong as the rest may be: ``(kind, path, slot)``."""
    slots: list[tuple[str, Keys, Any]] = []
    for name in Spec.model_fields:
        value = data.get(name)
        if name in LISTS and isinstance(value, list | tuple):
            slots += [(LISTS[name], (name, i), each) for i, each in enumerate(value)]
        elif name in KINDS:
            slots.append((name, (name,), value))
        elif name == SAMPLED[0] and isinstance(value, dict):
            slots.append(("architecture", SAMPLED, value.get("architecture")))
    slots = [part for slot in slots for part in _apart(*slot)]
    slots = [(kind, path, {"type": v} if isinstance(v, str) else v) for kind, path, v in slots]
    right = (s for s in slots if isinstance(s[2], dict) and isinstance(s[2].get("type"), str))
    return [(kind, path, Slot.model_validate(value)) for kind, path, value in right]


def _apart(kind: str, path: Keys, value: Any) -> Iterator[tuple[str, Keys, Any]]:
    """A component, the task that it is given in place of the run's, the sources of a zoo."""
    inner = value.get(SOURCES) if isinstance(value, dict) and kind == "zoo" else None
    if "task" in beside(kind, path) and isinstance(value, dict) and "task" in value:
        yield kind, path, {name: of for name, of in value.items() if name != "task"}
        yield "task", (*path, "task"), value["task"]
    else:
        yield kind, path, value
    for name, each in inner.items() if isinstance(inner, dict) else ():
        yield from _apart(kind, (*path, SOURCES, name), each)
