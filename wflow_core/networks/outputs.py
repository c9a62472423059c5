"""Outputs of networks on the test split of a task, computed once for all that look at them.

Shapes: N networks, M test inputs, C outputs.
"""

from __future__ import annotations

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet
from wflow_core.weights.stored import StoredWeights

POPULATIONS = 3
"""The zoo, which metrics come back to, the population that they are at, and the one before."""
MOST = 2**30
"""Bytes that are kept."""


class Outputs:
    """``outputs(networks) -> [N, M, C]``; those of the populations asked for last are kept, but for
    populations in files, beside which memory is short."""

    def __init__(self, task: Task, architecture: Architecture):
        self.task, self.architecture = task, architecture
        self._kept: list[tuple[WeightSet, Tensor]] = []

    def __call__(self, networks: WeightSet) -> Tensor:
        found = next((outputs for known, outputs in self._kept if known is networks), None)
        if found is None:
            x = self.task.splits["test"].x.to(networks.weights.device)
            found = self.architecture.networks(networks.weights, x, networks.buffers)
        if not isinstance(networks.weights, StoredWeights):
            others = [kept for kept in self._kept if kept[0] is not networks]
            self._kept = [*others, (networks, found)][-POPULATIONS:]
        while sum(outputs.nbytes for _, outputs in self._kept) > MOST:
            self._kept.pop(0)
        return found
