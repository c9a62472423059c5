"""What is measured of networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Protocol

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Task
from wflow_core.log_probs import LogProb
from wflow_core.networks.outputs import Outputs
from wflow_core.networks.recalibration import Recalibration
from wflow_core.weights import WeightSet

Numbers = dict[str, Any]
"""Nested dictionaries whose leaves are numbers, None, or tensors ``[n]``: one value a network (or
a pair of networks), of which ``metrics.json`` shows mean and standard deviation."""


class Density(Protocol):
    """The log-density of networks under the trained flow.

    Attributes:
        dim: coordinates of the space that the flow lives in.
    """

    @property
    def dim(self) -> int: ...

    def __call__(self, networks: WeightSet, *, represent: bool = False, **options: Any) -> LogProb:
        """Of each network, or of its representative; options as of ``likelihood.log_prob``."""
        ...

    def unseen(self, networks: WeightSet) -> WeightSet:
        """Networks of the zoo without those that the flow was trained on."""
        ...


class Metric(Component):
    """Measures one population of networks: samples, the zoo, or a null.

    Attributes:
        relative: compares a population with the zoo, so that the zoo itself is not measured.
        density: looks at the flow's density: ``measure_under`` is called in place of ``measure``.
        under: the name that the numbers stand under, where they are of another task than the
            run's: that task's; a spec sets it.
    """

    relative: ClassVar[bool] = False
    density: ClassVar[bool] = False
    under: str = ""

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.task = task
        self.architecture = architecture

    @cached_property
    def recalibrate(self) -> Callable[[WeightSet], WeightSet]:
        """For networks that a metric makes and nobody trained, such as midpoints: BatchNorm
        statistics measured on training rows. In a run they are those of the samples."""
        return Recalibration(self.task, self.architecture)

    @cached_property
    def outputs(self) -> Callable[[WeightSet], Tensor]:
        """``[N, M, C]`` of networks on the test split. In a run, metrics of one task share them, so
        that each population is evaluated once."""
        return Outputs(self.task, self.architecture)

    @abstractmethod
    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        """Numbers by name, to be merged into those of the population."""

    def measure_under(self, density: Density, samples: WeightSet, zoo: WeightSet) -> Numbers:
        """The same, of a metric with ``density``, which the flow's is handed over to.

        Args:
            samples: the population; of the zoo only networks of held-out training runs.
        """
        raise NotImplementedError(f"{type(self).__name__} has `density`, but no `measure_under`")
