"""The spec: YAML -> validated options, every error at once, each at file:line:column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, create_model

from wflow_core.errors import PluginError, SpecError
from wflow_core.interfaces.component import ComponentSpec, Options, Slot
from wflow_core.interfaces.components import KeyPath
from wflow_core.registry import KINDS, defaults, load
from wflow_core.specs.located_yaml import LocatedYaml, read_file, read_text
from wflow_core.specs.overrides import override
from wflow_core.specs.problems import dotted, location_key, validate
from wflow_core.specs.resolve import Named, ResolvedComponent, resolve, written

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
    stages = _stage_names(source.data)
    model, unusable = spec_model(list(stages.values())), stage_problems(source, stages)
    options, problems = validate(model, source.data, source, ())
    named = written(model, {**defaults(), **source.data})
    usable = [name for at, name in stages.items() if at not in unusable]
    sections = iter_sections(source.data, usable)
    components, more = resolve([*named, *sections], source, allow_code)
    # What could not be read is wrong in its location already.
    unread = {location_key(line)[:3] for line in source.problems}
    problems = [*problems, *more, *unusable.values()]
    problems = [line for line in problems if location_key(line)[:3] not in unread]
    if options is None or problems or source.problems:
        raise SpecError(sorted({*source.problems, *problems}, key=location_key))
    return Spec(options, source, components)


def _stage_names(data: Mapping[str, Any]) -> dict[int, str]:
    """The stages of a spec that may be invalid, by their place in the list."""
    given = data.get(STAGES)
    names = given if isinstance(given, list) else defaults().get(STAGES, ())
    return {i: name for i, name in enumerate(names) if isinstance(name, str)}


def stage_problems(source: LocatedYaml, stages: Mapping[int, str]) -> dict[int, str]:
    """A line for each stage that is unknown, broken or given twice, by its place in the list."""
    problems: dict[int, str] = {}
    for i, name in stages.items():
        try:
            load("stage", name)
            if name in list(stages.values())[:i]:
                raise PluginError(f"stage {name!r} is given twice")
        except PluginError as error:
            problems[i] = f"{source.location((STAGES, i))}: {STAGES}.{i}: {error}"
    return problems


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
    taken = {*fields, *SpecOptions.model_fields}
    fields |= {name: (dict[str, Any], {}) for name in stages if name not in taken}
    fields[STAGES] = (tuple[str, ...], tuple(defaults().get(STAGES, ())))
    model: type[SpecOptions] = create_model("Spec", __base__=SpecOptions, **fields)
    return model


def iter_sections(data: Mapping[str, Any], stages: Iterable[str]) -> Iterator[Named]:
    """The options of each stage: ``(kind, path, value)``."""
    for name in stages:
        section = data.get(name, {})
        if isinstance(section, dict):
            yield "stage", (name,), ComponentSpec("stage", name, section)


def _parent(data: Any, path: KeyPath) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data
