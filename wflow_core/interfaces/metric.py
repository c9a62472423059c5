"""What is measured of networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.trained_flow import TrainedFlow
from wflow_core.weights import WeightSet

MetricTree = dict[str, Any]
"""Nested dictionaries whose leaves are numbers, None, or tensors ``[n]``: one value a network (or
a pair of networks), of which ``metrics.json`` shows mean and standard deviation."""

TestOutputs = Callable[[Task, Architecture, WeightSet], Tensor]
"""``(task, architecture, networks) -> [N, M, C]``: outputs on the M inputs of the test split."""


def test_outputs(task: Task, architecture: Architecture, networks: WeightSet) -> Tensor:
    """``[N, M, C]``: outputs of networks on the test split of a task."""
    x = task.splits["test"].x.to(networks.weights.device)
    return architecture.batched(networks.weights, x, networks.buffers)


def unchanged(networks: WeightSet) -> WeightSet:
    """Networks whose buffers stay as they are."""
    return networks


class Metric(Component):
    """Measures one population of networks: samples, the zoo, or a baseline.

    Args:
        test_outputs: computes outputs on the test split; in a run, metrics share the results.
        recalibrate: gives networks that a metric makes and nobody trained, such as midpoints,
            buffers of their own; in a run, as the samples have them.

    Attributes:
        compares_to_zoo: compares a population with the zoo, so that the zoo itself is not measured.
        needs_flow: looks at the trained flow: ``measure_with_flow`` is called in place of
            ``measure``.
        columns: heading -> dotted path of a number, shown in the table of a run.
        columns_of_tasks: those of them that are shown of other tasks than the run's, too.
    """

    compares_to_zoo: ClassVar[bool] = False
    needs_flow: ClassVar[bool] = False
    columns: ClassVar[Mapping[str, str]] = {}
    columns_of_tasks: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        test_outputs: TestOutputs = test_outputs,
        recalibrate: Callable[[WeightSet], WeightSet] = unchanged,
        **options: Any,
    ):
        super().__init__(**options)
        self.task = task
        self.architecture = architecture
        self.recalibrate = recalibrate
        self.test_outputs: Callable[[WeightSet], Tensor] = partial(test_outputs, task, architecture)

    @abstractmethod
    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        """Numbers by name, to be merged into those of the population."""

    def measure_with_flow(
        self, flow: TrainedFlow, samples: WeightSet, zoo: WeightSet
    ) -> MetricTree:
        """The same of a metric with ``needs_flow``.

        Args:
            samples: the population; of the zoo only networks of held-out training runs.
        """
        raise NotImplementedError(f"{type(self).__name__} has `needs_flow`, but no such method")
