"""Picks one representative of each symmetry orbit."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.symmetry import Element
from wflow_core.weights import WeightSet


class Canonicalizer(Component):
    """Maps each network to the representative of its orbit.

    Attributes:
        preserves: ``function`` where outputs stay the same, ``decision`` where only the predicted
            class does.
    """

    preserves: ClassVar[Literal["function", "decision"]] = "function"
    needs = frozenset({"symmetry"})

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.architecture = architecture

    @abstractmethod
    def fit(self, zoo: WeightSet) -> None:
        """Choose what all networks are brought to, from the zoo."""

    @abstractmethod
    def element(self, weights: Tensor) -> Element:
        """``[B, P] ->`` the group element that brings each network to its representative."""

    def transform(self, networks: WeightSet, chunk: int = 4096) -> WeightSet:
        """Weights, buffers and initialisations moved together, one element a training run.

        A run's element is that of its last snapshot, so that its trajectory stays a trajectory.
        """
        pieces = [
            self._transform(networks[s : s + chunk], networks.weights[last])
            for s, last in zip(
                range(0, len(networks), chunk),
                torch.split(last_of_run(networks), chunk),
                strict=True,
            )
        ]
        whole = {
            name: torch.cat([p.tensors()[name] for p in pieces]) for name in pieces[0].tensors()
        }
        return replace(networks, **whole)  # type: ignore[arg-type]

    def _transform(self, networks: WeightSet, last: Tensor) -> WeightSet:
        symmetry, element = self.architecture.bound_symmetry, self.element(last)
        initial = networks.initial
        return replace(
            networks,
            weights=symmetry.act(networks.weights, element),
            buffers=symmetry.act_buffers(networks.buffers, element),
            initial=None if initial is None else symmetry.act(initial, element),
        )


def last_of_run(networks: WeightSet) -> Tensor:
    """``[N]``: for each network, the place of the last snapshot of its run."""
    runs, run = torch.unique(networks.run, return_inverse=True)
    order = networks.step.argsort(stable=True)
    rank = order.argsort()
    latest = rank.new_zeros(len(runs)).scatter_reduce(0, run, rank, "amax")
    return order[latest][run]
