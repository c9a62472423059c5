"""The components of a spec, built and fitting together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Components:
    """A spec's components, each built with its context.

    Attributes:
        name, seed: of the spec.
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

    @property
    def task(self) -> Task:
        return self._one("task")

    @property
    def architecture(self) -> Architecture:
        return self._one("architecture")

    @property
    def zoo(self) -> ZooSource:
        return self._one("zoo")

    @property
    def canonicalizers(self) -> tuple[Canonicalizer, ...]:
        return self._many("canonicalizers")

    @property
    def codec(self) -> Codec | None:
        return self._one("codec")

    @property
    def condition(self) -> Condition | None:
        return self._one("condition")

    @property
    def prior(self) -> Prior:
        return self._one("prior")

    @property
    def coupling(self) -> Coupling:
        return self._one("coupling")

    @property
    def velocity(self) -> Velocity:
        return self._one("velocity")

    @property
    def solver(self) -> Solver:
        return self._one("solver")

    @property
    def guidance(self) -> Guidance | None:
        return self._one("guidance")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return self._many("metrics")

    @property
    def baselines(self) -> dict[str, Baseline]:
        """Baselines by name."""
        found: tuple[Baseline, ...] = self._many("baselines")
        names = [of["type"] for of in self.resolved["baselines"]]
        return dict(zip(names, found, strict=True))

    @property
    def hooks(self) -> tuple[Hook, ...]:
        return self._many("hooks")

    @property
    def stages(self) -> dict[str, Any]:
        """Stages by name, in the order of the pipeline."""
        return {name: self._one(name) for name in self.resolved["stages"]}

    def _one(self, field: str) -> Any:
        return self.built.get((field,))

    def _many(self, field: str) -> tuple[Any, ...]:
        return tuple(of for path, of in self.built.items() if path[0] == field and len(path) == 2)
