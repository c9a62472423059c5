"""All components of a spec, built and fitting together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wflow_core.flows.behavior import Behavior
from wflow_core.flows.flow import Flow
from wflow_core.hooks import Hooks
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.metric import Metric
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.solver import Solver
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.velocity import Velocity
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.measures.null_context import NullMakers
from wflow_core.networks.recalibration import Recalibration
from wflow_core.space import Space
from wflow_core.specs.spec import Spec, SpecFile


@dataclass(frozen=True)
class Assembly:
    """A spec's components, each built with its context.

    Attributes:
        resolved: the spec as plain data with every option written out.
        origins: path of a component in the spec -> the distribution and version it comes from.
        tasks: path in the spec -> the task that a guidance or metric has in place of the run's.
        recalibration: for networks that nobody trained.
        derived: the same at the architecture that samples are of, where it is another.
    """

    file: SpecFile
    spec: Spec
    resolved: dict[str, Any]
    origins: dict[str, str]
    task: Task
    tasks: dict[str, Task]
    architecture: Architecture
    zoo: ZooSource
    canonicalizers: tuple[Canonicalizer, ...]
    codec: Codec | None
    space: Space
    prior: Prior
    coupling: Coupling
    flow: Flow
    behavior: Behavior | None
    velocity: Velocity
    solver: Solver
    guidance: Guidance | None
    metrics: tuple[Metric, ...]
    recalibration: Recalibration
    hooks: Hooks
    derived: Assembly | None = None

    @property
    def sampled(self) -> Assembly:
        """What samples are drawn and measured with: the assembly itself, or ``derived``."""
        return self.derived or self

    @property
    def nulls(self) -> NullMakers:
        """What the nulls beside samples are made with."""
        return NullMakers(
            self.architecture, self.zoo, self.canonicalizers, self.recalibration, self.spec.nulls
        )
