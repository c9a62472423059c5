"""The spec: YAML -> validated options, every error at once, each at file:line:column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, create_model

from wflow_core.errors import SpecError
from wflow_core.interfaces.component import Options, Slot
from wflow_core.interfaces.components import KeyPath
from wflow_core.registry import KINDS, defaults
from wflow_core.specs.located_yaml import LocatedYaml, read_file, read_text
from wflow_core.specs.overrides import override
from wflow_core.specs.problems import dotted, location_key, validate
from wflow_core.specs.resolve import Named, ResolvedComponent, resolve

STAGES = "stages"


class SpecOptions(Options):
    """What every spec holds, beside its components and the options of its stages."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run folder")
    seed: int = Field(0, ge=0, lt=2**63, description="determines every random number of the run")
    renamed: ClassVar[Mapping[str, str]] = {"nulls": "baselines"}


@dataclass(frozen=True)
class Spec:
    """A validated spec.

    Attributes:
        options: its fields, components as :class:`ComponentSpec`.
        source: the YAML, with the location of every value.
        components: those that it names, by their paths.
    """

    options: SpecOptions
    source: LocatedYaml
    components: Mapping[KeyPath, ResolvedComponent]

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def seed(self) -> int:
        return self.options.seed

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in their order."""
        return tuple(getattr(self.options, STAGES))

    def resolved(self, without: Sequence[KeyPath] = ()) -> dict[str, Any]:
        """Plain data with every option written out.

        Args:
            without: components to leave out of their lists.
        """
        data: dict[str, Any] = self.options.model_dump(mode="json")
        for path, of in self.components.items():
            written = of.options.model_dump(mode="json")
            named = {} if of.kind == "stage" else {"type": of.name}
            _parent(data, path)[path[-1]] = named | written
        for field, index in sorted(without, reverse=True):
            del data[str(field)][index]
        return {name: of for name, of in data.items() if of or name not in self.stages}

    def origins(self) -> dict[str, str]:
        """Where each component comes from, by its dotted path."""
        return {dotted(path): of.origin for path, of in self.components.items()}


def load_spec(path: Path | str, overrides: Sequence[str] = (), allow_code: bool = False) -> Spec:
    """Read and validate a spec; ``overrides`` are ``a.b=1``.

    Args:
        allow_code: import the code that the spec names, which may do anything.

    Raises:
        SpecError: with every problem, each at its location.
    """
    return parse(read_file(Path(path)), overrides, allow_code)


def spec_from_text(
    text: str, name: str = "spec", overrides: Sequence[str] = (), allow_code: bool = False
) -> Spec:
    """The same from a string."""
    return parse(read_text(text, name), overrides, allow_code)


def parse(source: LocatedYaml, overrides: Sequence[str] = (), allow_code: bool = False) -> Spec:
    """Validate a YAML source."""
    if not isinstance(source.data, dict):
        wrong = f"{source.location(())}: a spec must be a mapping of names"
        raise SpecError([*source.problems, wrong])
    for assignment in overrides:
        override(source, assignment)
    stages = stage_names(source.data)
    options, problems = validate(spec_model(stages), source.data, source, ())
    named = list(iter_components(source.data, stages))
    components, more = resolve(named, source, allow_code)
    # What could not be read is wrong in its location already.
    unread = {location_key(line)[:3] for line in source.problems}
    problems = [line for line in problems + more if location_key(line)[:3] not in unread]
    if options is None or problems or source.problems:
        raise SpecError(sorted({*source.problems, *problems}, key=location_key))
    return Spec(options, source, components)


def stage_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages of a spec that may be invalid."""
    given = data.get(STAGES)
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return tuple(given)
    return tuple(defaults().get(STAGES, ()))


def spec_model(stages: Sequence[str]) -> type[SpecOptions]:
    """The fields of a spec: every kind of component, and a section for each stage's options."""
    fields: dict[str, Any] = {}
    for kind, of in KINDS.items():
        if of.field is None or of.field == STAGES:
            continue
        default = defaults().get(of.field)
        optional = not (of.many or of.required or default)
        one = Annotated[Any, Slot(kind, optional)]
        if of.many:
            fields[of.field] = (tuple[one, ...], tuple(default or ()))
        else:
            fields[of.field] = (one, ...) if of.required else (one, default)
    fields |= {name: (dict[str, Any], {}) for name in stages}
    fields[STAGES] = (tuple[str, ...], tuple(defaults().get(STAGES, ())))
    model: type[SpecOptions] = create_model("Spec", __base__=SpecOptions, **fields)
    return model


def iter_components(data: Mapping[str, Any], stages: Sequence[str]) -> Iterator[Named]:
    """Every component that a spec names, however invalid the rest: ``(kind, path, value)``."""
    for kind, of in KINDS.items():
        if of.field is None or of.field == STAGES:
            continue
        value = data.get(of.field, defaults().get(of.field))
        if of.many and isinstance(value, list | tuple):
            yield from ((kind, (of.field, i), each) for i, each in enumerate(value))
        elif not of.many and value is not None:
            yield kind, (of.field,), value
    for i, name in enumerate(stages):
        section = data.get(name) or {}
        if isinstance(section, dict) and "type" not in section and name not in stages[:i]:
            yield "stage", (name,), {"type": name, **section}


def _parent(data: Any, path: KeyPath) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data
