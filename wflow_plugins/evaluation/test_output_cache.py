"""Outputs on the test split, computed once for all metrics.

Shapes: N networks, M test inputs, C outputs.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import ref

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.metric import test_outputs
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import is_lazy

POPULATIONS = 3
"""The zoo, which every comparison uses, the population being measured, and the one before."""
MAX_BYTES = 2**30
"""Of the outputs that are kept."""


class Kept(NamedTuple):
    """Outputs of one population, which they do not keep in memory."""

    task: Task
    networks: ref[WeightSet]
    outputs: Tensor


class TestOutputCache:
    """``cache(task, architecture, networks) -> [N, M, C]``; the latest outputs are kept.

    Outputs of populations in files are not kept, as memory is short beside them.
    """

    __test__ = False  # no test case of pytest's

    def __init__(self) -> None:
        self._kept: list[Kept] = []

    def __call__(self, task: Task, architecture: Architecture, networks: WeightSet) -> Tensor:
        kept = [k for k in self._kept if k.networks() is not None]
        own = [k for k in kept if k.task is task and k.networks() is networks]
        outputs = own[0].outputs if own else test_outputs(task, architecture, networks)
        if not is_lazy(networks.weights):
            same = [k for k in kept if k.task is task and k.networks() is not networks]
            latest = [*same[-POPULATIONS + 1 :], Kept(task, ref(networks), outputs)]
            kept = [k for k in kept if k.task is not task] + latest
        while sum(k.outputs.nbytes for k in kept) > MAX_BYTES:
            kept.pop(0)
        self._kept = kept
        return outputs
