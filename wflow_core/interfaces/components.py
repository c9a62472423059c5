"""The components of a spec, built and fitting together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.baseline import Baseline
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.condition import Condition
from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.hook import Hook
from wflow_core.interfaces.metric import Metric
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.solver import Solver
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.velocity import Velocity
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.space import Space

KeyPath = tuple[str | int, ...]
"""Where something stands in a spec: ``("zoo", "optimizer", "lr")``, ``("metrics", 0)``."""


T = TypeVar("T")


class _Field(Generic[T]):
    """The component of a field of the spec; None where the spec has none."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, components: Components, owner: type) -> T:
        return cast(T, components.built.get((self.name,)))


class _ListField(_Field[tuple[T, ...]]):
    """The components of a list in the spec."""

    def __get__(self, components: Components, owner: type) -> tuple[T, ...]:
        built = components.built.items()
        return tuple(of for path, of in built if path[0] == self.name and len(path) == 2)  # type: ignore[misc]


class _Stages(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        raise UnsupportedError(f"the stage {name!r} is needed, and not among `stages`")


@dataclass(frozen=True)
class Components:
    """A spec's components, each built with its context.

    Attributes:
        name: of the spec.
        seed: of the spec.
        resolved: the spec as plain data, with every option written out.
        origins: dotted path of a component in the spec -> the distribution and version it is from.
        built: path in the spec -> component, those that others hold among them.
        scope: what components are built from, by name.
        space: the space that the flow lives in.
        rebuilt: builds all components again around some that are given, by their paths.
    """

    name: str
    seed: int
    resolved: Mapping[str, Any]
    origins: Mapping[str, str]
    built: Mapping[KeyPath, Component]
    scope: Mapping[str, Any]
    space: Space
    rebuilt: Callable[[Mapping[KeyPath, Component]], Components]

    task = _Field[Task]()
    architecture = _Field[Architecture]()
    zoo = _Field[ZooSource]()
    canonicalizers = _ListField[Canonicalizer]()
    codec = _Field[Codec | None]()
    condition = _Field[Condition | None]()
    prior = _Field[Prior]()
    coupling = _Field[Coupling]()
    velocity = _Field[Velocity]()
    solver = _Field[Solver]()
    guidance = _Field[Guidance | None]()
    metrics = _ListField[Metric]()
    hooks = _ListField[Hook]()

    @property
    def baselines(self) -> dict[str, Baseline]:
        """Baselines by name."""
        paths = [path for path in self.built if path[0] == "baselines" and len(path) == 2]
        names = [of["type"] for of in self.resolved["baselines"]]
        found: Any = [self.built[path] for path in paths]
        return dict(zip(names, found, strict=True))

    @property
    def stages(self) -> dict[str, Any]:
        """Stages by name, in the order of the pipeline."""
        return _Stages({name: self.built[(name,)] for name in self.resolved["stages"]})
