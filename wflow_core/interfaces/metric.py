"""What is measured of networks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet

Numbers = dict[str, Any]
"""Nested dictionaries whose leaves are numbers, None, or tensors ``[n]``: one value a network (or
a pair of networks), of which ``metrics.json`` shows mean and standard deviation."""


class Metric(Component):
    """Measures one population of networks: samples, the zoo, or a null.

    Attributes:
        relative: compares a population with the zoo, so that the zoo itself is not measured.
    """

    relative: ClassVar[bool] = False

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.task = task
        self.architecture = architecture

    @abstractmethod
    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        """Numbers by name, to be merged into those of the population."""
