"""A module plus its symmetry."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Signature
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.graph import WeightGraph
from wflow_core.weights import WeightLayout


class Architecture(Component):
    """A module plus its symmetry; graph, matching, manifold and networks follow from the two.

    Args:
        signature: what the network takes and gives, from the task.
    """

    offers = frozenset({"symmetry", "initializer"})

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(**options)
        self.signature = signature

    @abstractmethod
    def build(self) -> nn.Module:
        """A freshly initialised module: ``[B, *inputs] -> [B, C]``."""

    @abstractmethod
    def symmetry(self) -> Symmetry:
        """Groups and parts of the module's weights.

        Source: e.g. Godfrey et al. 2022 (arXiv 2205.14258) for intertwiner groups.
        """

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n, P]`` fresh weights from the module's own initialiser.

        The default builds ``n`` modules; built-ins draw all of them at once.
        """
        layout, rows = WeightLayout.of_parameters(self.module), []
        seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device)
        with torch.random.fork_rng(devices=[]):
            for seed in seeds.tolist():
                torch.manual_seed(seed)
                rows.append(layout.flatten(dict(self.build().named_parameters())).detach())
        return torch.stack(rows).to(generator.device)

    def initial_log_prob(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B]`` log-density of the initialiser, in nats.

        Raises:
            UnsupportedError: the initialiser has no known density.
        """
        raise UnsupportedError(f"{self!r} does not know the density of its initialiser")

    def known_as(self, name: str) -> str | None:
        """What a tensor of files that others made is called in the module.

        None: networks of this architecture do without it, as without the head for another task.
        """
        return name

    def graph(self) -> WeightGraph:
        """The graph of the weights, from the symmetry."""
        return self.bound_symmetry.graph

    @cached_property
    def module(self) -> nn.Module:
        """One module whose structure all networks share; its own weights mean nothing."""
        with torch.random.fork_rng(devices=[]):
            return self.build().eval()

    @cached_property
    def bound_symmetry(self) -> Symmetry:
        """The symmetry, described once."""
        return self.symmetry()

    @cached_property
    def networks(self) -> BatchedNetworks:
        """Many networks of this architecture as one batched program."""
        return BatchedNetworks(self.module)
