"""Picks one representative of each symmetry orbit. Shapes: B batch, N networks, P weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.needs import SYMMETRY
from wflow_core.interfaces.task import Task
from wflow_core.networks.equivalence import check_equivalence
from wflow_core.symmetry import GroupElement
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import chunk_size, concat, load_set


class Canonicalizer(Component):
    """Maps each network to the representative of its orbit.

    Args:
        task: for canonicalizers that use data, of which only the training split.

    Attributes:
        preserves: ``function`` where outputs stay the same, ``decision`` where only the predicted
            class does. Each transform proves it on some networks, in float64.
        granularity: ``run`` where snapshots and initialisation of a training run all move by the
            element of its last snapshot, so that a trajectory stays a trajectory; ``network``
            where each moves by its own, as networks that must end on a manifold do.
    """

    preserves: Literal["function", "decision"] = "function"
    granularity: ClassVar[Literal["run", "network"]] = "run"
    needs = frozenset({SYMMETRY})

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(**options)
        self.architecture = architecture
        self.task = task

    @abstractmethod
    def fit(self, zoo: WeightSet) -> None:
        """Choose the reference that all networks are moved to, from the zoo."""

    @abstractmethod
    def group_element(self, weights: Tensor) -> GroupElement:
        """``[B, P] ->`` the group element that moves each network to its representative."""

    def act(self, weights: Tensor, element: GroupElement) -> Tensor:
        """``[B, P] -> [B, P]``. Override for more than permuting and scaling units."""
        return self.architecture.symmetry.act(weights, element)

    def transform(self, networks: WeightSet, size: int = 4096) -> WeightSet:
        """Weights, buffers and initialisations moved together.

        Raises:
            SymmetryError: a network no longer computes what it did.
        """
        return concat(self.transform_chunks(networks, size))

    def transform_chunks(self, networks: WeightSet, size: int = 4096) -> Iterator[WeightSet]:
        """The same in chunks of at most ``size`` networks, each in memory.

        Raises:
            SymmetryError: a network no longer computes what it did.
        """
        last = last_snapshot_index(networks)
        if self.granularity == "network":
            last = torch.arange(len(networks), device=last.device)
        size = chunk_size(networks.weights, size)
        for start in range(0, len(networks), size):
            chunk, of = load_set(networks[start : start + size]), last[start : start + size]
            own = torch.equal(of, torch.arange(start, start + len(of), device=of.device))
            yield self._transform(chunk, chunk.weights if own else networks.weights[of])
            del chunk  # before the next is read

    def _transform(self, networks: WeightSet, last: Tensor) -> WeightSet:
        element, initial = self.group_element(last), networks.initial
        moved = self.apply(networks, element)
        check_equivalence(self, networks, moved, element)
        if initial is None:
            return moved
        own = element if self.granularity == "run" else self.group_element(initial)
        return replace(moved, initial=self.act(initial, own))

    def apply(self, networks: WeightSet, element: GroupElement) -> WeightSet:
        """Weights and buffers of each network moved by its element."""
        buffers = self.architecture.symmetry.act_buffers(networks.buffers, element)
        return replace(networks, weights=self.act(networks.weights, element), buffers=buffers)


def last_snapshot_index(networks: WeightSet) -> Tensor:
    """``[N]``: for each network, the index of the last snapshot of its run."""
    runs, run = torch.unique(networks.run, return_inverse=True)
    order = networks.step.argsort(stable=True)
    rank = order.argsort()
    latest = rank.new_zeros(len(runs)).scatter_reduce(0, run, rank, "amax")
    return order[latest][run]
