"""Picks one representative of each symmetry orbit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component, Report, silent
from wflow_core.interfaces.task import Task
from wflow_core.networks.proof import prove
from wflow_core.symmetry import Element
from wflow_core.weights import WeightSet
from wflow_core.weights.pieces import held_set, join, rows_at_once
from wflow_core.weights.stored import asking


class Canonicalizer(Component):
    """Maps each network to the representative of its orbit.

    Args:
        task: for canonicalizers that look at data, which is the training split's alone.

    Attributes:
        preserves: ``function`` where outputs stay the same, ``decision`` where only the predicted
            class does. Each transform proves it on a sample of networks, in float64.
        element_of: ``run`` where snapshots and initialisation of a training run all move by the
            element of its last snapshot, so that a trajectory stays a trajectory; ``network``
            where each moves by its own, as what ends on a manifold must.
    """

    preserves: Literal["function", "decision"] = "function"
    element_of: ClassVar[Literal["run", "network"]] = "run"
    needs = frozenset({"symmetry"})

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(**options)
        self.architecture = architecture
        self.task = task

    @abstractmethod
    def fit(self, zoo: WeightSet) -> None:
        """Choose what all networks are brought to, from the zoo."""

    @abstractmethod
    def element(self, weights: Tensor) -> Element:
        """``[B, P] ->`` the group element that brings each network to its representative."""

    def act(self, weights: Tensor, element: Element) -> Tensor:
        """``[B, P] -> [B, P]``: networks moved; what is more than an element can tell is done here,
        as what keeps only the decision, or a symmetry that does more than permute and scale."""
        return self.architecture.bound_symmetry.act(weights, element)

    def transform(self, networks: WeightSet, chunk: int = 4096) -> WeightSet:
        """Weights, buffers and initialisations moved together.

        Raises:
            SymmetryError: networks of a sample no longer compute what they did.
        """
        return join(self.pieces(networks, chunk))

    def pieces(self, networks: WeightSet, chunk: int = 4096) -> Iterator[WeightSet]:
        """The same, some networks at a time, in memory: fewer where theirs lie in files.

        Raises:
            SymmetryError: networks of a sample no longer compute what they did.
        """
        last = last_of_run(networks)
        if self.element_of == "network":
            last = torch.arange(len(networks), device=last.device)
        chunk = rows_at_once(networks.weights, chunk)
        for start in range(0, len(networks), chunk):
            piece, of = held_set(networks[start : start + chunk]), last[start : start + chunk]
            own = torch.equal(of, torch.arange(start, start + len(of), device=of.device))
            yield self._transform(piece, piece.weights if own else networks.weights[of])
            del piece  # before the next is read

    def _transform(self, networks: WeightSet, last: Tensor) -> WeightSet:
        element, initial = self.element(last), networks.initial
        moved = self.moved(networks, element)
        prove(self, networks, moved, element)
        if initial is None:
            return moved
        own = element if self.element_of == "run" else self.element(initial)
        return replace(moved, initial=self.act(initial, own))

    def moved(self, networks: WeightSet, element: Element) -> WeightSet:
        """Weights and buffers of each network moved by its element."""
        buffers = self.architecture.bound_symmetry.act_buffers(networks.buffers, element)
        return replace(networks, weights=self.act(networks.weights, element), buffers=buffers)


def canonical(
    canonicalizers: Sequence[Canonicalizer],
    zoo: WeightSet,
    report: Report = silent,
    gather: Callable[[Iterable[WeightSet]], WeightSet] = join,
) -> WeightSet:
    """A zoo through every canonicalizer in their order, each fitted to what it is given.

    Args:
        gather: makes one weight set of the pieces of each step; in memory by default.
    """
    for done, canonicalizer in enumerate(canonicalizers, start=1):
        with asking(repr(canonicalizer)):
            canonicalizer.fit(zoo)
            zoo = gather(canonicalizer.pieces(zoo))
        report(done, len(canonicalizers))
    return zoo


def representative(canonicalizers: Sequence[Canonicalizer]) -> Callable[[Tensor], Tensor]:
    """``[B, P] -> [B, P]``: networks that the zoo does not hold, through those canonicalizers
    that move each network by itself."""
    own = [c for c in canonicalizers if c.element_of == "network"]

    def represent(weights: Tensor) -> Tensor:
        for canonicalizer in own:
            weights = canonicalizer.act(weights, canonicalizer.element(weights))
        return weights

    return represent


def bring(canonicalizers: Sequence[Canonicalizer], networks: WeightSet) -> WeightSet:
    """The same for weights and buffers of whole networks."""
    for canonicalizer in canonicalizers:
        if canonicalizer.element_of == "network":
            element = canonicalizer.element(networks.weights)
            networks = canonicalizer.moved(networks, element)
    return networks


def last_of_run(networks: WeightSet) -> Tensor:
    """``[N]``: for each network, the place of the last snapshot of its run."""
    runs, run = torch.unique(networks.run, return_inverse=True)
    order = networks.step.argsort(stable=True)
    rank = order.argsort()
    latest = rank.new_zeros(len(runs)).scatter_reduce(0, run, rank, "amax")
    return order[latest][run]
