"""From a validated spec to components that fit together.

Each is built with its context; needs that are not met are collected before anything is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from wflow_core.errors import SpecError, WflowError
from wflow_core.flow import Flow
from wflow_core.hooks import Hooks
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer, representative
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.metric import Metric
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.solver import Solver
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.velocity import Velocity
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.seeds import stage_seed
from wflow_core.space import Space, missing, offered
from wflow_core.spec import Spec, SpecFile
from wflow_core.spec_errors import Path, by_place, dotted


@dataclass(frozen=True)
class Assembly:
    """A spec's components, each built with its context.

    Attributes:
        resolved: the spec as plain data with every option written out.
        origins: path of a component in the spec -> the distribution and version it comes from.
    """

    spec: Spec
    resolved: dict[str, Any]
    origins: dict[str, str]
    task: Task
    architecture: Architecture
    zoo: ZooSource
    canonicalizers: tuple[Canonicalizer, ...]
    codec: Codec | None
    space: Space
    prior: Prior
    coupling: Coupling
    flow: Flow
    velocity: Velocity
    solver: Solver
    guidance: Guidance | None
    metrics: tuple[Metric, ...]
    hooks: Hooks


def assemble(file: SpecFile) -> Assembly:
    """Load, check and build every component of a spec.

    Raises:
        SpecError: with every problem, each at its place.
    """
    return _Builder(file).build()


class _Builder:
    """Builds components in the order of the road, and checks what they need."""

    def __init__(self, file: SpecFile):
        self.file, self.found = file, file.found
        self.problems: list[str] = []
        self.built: dict[Path, Any] = {}

    def build(self) -> Assembly:
        spec = self.file.spec
        task: Task = self._make("task")
        architecture: Architecture = self._make("architecture", task.signature)
        self._at("architecture", lambda: architecture.bound_symmetry)
        zoo: ZooSource = self._make("zoo", task, architecture)
        canonicalizers = self._make_all("canonicalizers", architecture, task)
        codec: Codec | None = self._make("codec", architecture) if spec.codec else None
        before = offered([task, architecture, zoo])
        self._check([("zoo",), *self._paths("canonicalizers"), ("codec",)], before)
        space = self._space(architecture, canonicalizers, codec, before)
        prior: Prior = self._make("prior", space, architecture)
        space = replace(space, offers=space.offers | prior.offers)
        rest = ["manifold", "prior", "coupling", "velocity", "solver", "guidance"]
        self._check([(name,) for name in rest], space.offers)
        # Metrics are of networks, whose symmetry a codec leaves as it is.
        self._check(self._paths("metrics"), before | space.offers)
        if self.problems:
            raise SpecError(sorted(self.problems, key=by_place))
        decode: Callable[..., Any] = codec.decode if codec else lambda z: z
        guided = (task, architecture, decode)
        return Assembly(
            spec=spec,
            resolved=self._resolved(),
            origins={dotted(path): found.origin for path, found in self.found.items()},
            task=task,
            architecture=architecture,
            zoo=zoo,
            canonicalizers=canonicalizers,
            codec=codec,
            space=space,
            prior=prior,
            coupling=self._make("coupling", space, prior),
            flow=Flow(space.manifold, spec.train),
            velocity=self._velocity(space),
            solver=self._make("solver"),
            guidance=self._make("guidance", *guided) if spec.guidance else None,
            metrics=self._make_all("metrics", task, architecture),
            hooks=self._at("hooks", self._hooks),
        )

    def _space(
        self,
        architecture: Architecture,
        canonicalizers: tuple[Canonicalizer, ...],
        codec: Codec | None,
        offers: frozenset[str],
    ) -> Space:
        symmetry = None if codec else architecture.bound_symmetry
        dim = codec.dim if codec else architecture.bound_symmetry.layout.size
        manifold = self._make("manifold", dim, symmetry)
        hidden = architecture.offers if codec else frozenset()
        offers = offered([manifold, *canonicalizers]) | (offers - hidden)
        return Space(manifold, symmetry, offers, representative(canonicalizers))

    def _velocity(self, space: Space) -> Velocity:
        """The network with its own seed, whatever was built before it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stage_seed(self.file.spec.seed, "velocity"))
            velocity: Velocity = self._make("velocity", space)
        return velocity

    def _hooks(self) -> Hooks:
        names = [slot.type for slot in self.file.spec.hooks]
        return Hooks(list(zip(names, self._make_all("hooks"), strict=True)))

    def _make(self, name: str, *context: Any) -> Any:
        return self._build((name,), *context)

    def _make_all(self, name: str, *context: Any) -> tuple[Any, ...]:
        return tuple(self._build(path, *context) for path in self._paths(name))

    def _paths(self, name: str) -> list[Path]:
        return [path for path in self.found if path[0] == name and len(path) > 1]

    def _build(self, path: Path, *context: Any) -> Any:
        found = self.found[path]
        self.built[path] = self._at(path[0], lambda: found.cls(*context, **found.options), path)
        return self.built[path]

    def _at(self, name: str | int, make: Callable[[], Any], path: Path | None = None) -> Any:
        """Errors of a component's own, told with its place in the spec."""
        path = path or (name,)
        try:
            return make()
        except SpecError:
            raise
        except WflowError as error:
            raise SpecError([f"{self.file.source.place(path)}: {dotted(path)}: {error}"]) from error

    def _check(self, paths: list[Path], offers: frozenset[str]) -> None:
        for path in paths:
            if path in self.found:
                found, at = self.found[path], self.file.source.place(path)
                self.problems += [
                    f"{at}: {dotted(path)}: {found.name!r} {reason}"
                    for reason in missing(self.built.get(path, found.cls), offers)
                ]

    def _resolved(self) -> dict[str, Any]:
        resolved: dict[str, Any] = self.file.spec.model_dump(mode="json")
        for path, found in self.found.items():
            whole = {"type": found.name} | found.cls.Config(**found.options).model_dump(mode="json")
            name = str(path[0])
            if len(path) == 1:
                resolved[name] = whole
            else:
                resolved[name][path[1]] = whole
        return resolved
