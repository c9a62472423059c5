"""A module plus its symmetry."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.needs import INITIALIZER, SYMMETRY
from wflow_core.interfaces.task import Signature
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.symmetry import Symmetry
from wflow_core.weights import WeightLayout


class Architecture(Component):
    """A module plus its symmetry; graph, matching, manifold and networks follow from the two.

    Args:
        signature: inputs and outputs of the network, from the task.
    """

    offers = frozenset({SYMMETRY, INITIALIZER})

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(**options)
        self.signature = signature

    @abstractmethod
    def build(self) -> nn.Module:
        """A freshly initialised module: ``[B, *inputs] -> [B, C]``."""

    @abstractmethod
    def define_symmetry(self) -> Symmetry:
        """Groups and parts of the module's weights.

        Source: e.g. Godfrey et al. 2022 (arXiv 2205.14258) for intertwiner groups.
        """

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n, P]`` fresh weights from the module's own initialiser.

        The default builds ``n`` modules; built-ins draw all of them at once.
        """
        layout, rows = WeightLayout.of_parameters(self.template), []
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

    def map_checkpoint_key(self, name: str) -> str | None:
        """The name in the module of a tensor in somebody else's checkpoint; None to ignore it."""
        return name

    @cached_property
    def template(self) -> nn.Module:
        """A module whose structure all networks share; its own weights are never used."""
        with torch.random.fork_rng(devices=[]):
            return self.build().eval()

    @cached_property
    def symmetry(self) -> Symmetry:
        """``define_symmetry``, called once."""
        return self.define_symmetry()

    @cached_property
    def batched(self) -> BatchedNetworks:
        """Many networks of this architecture as one batched program."""
        return BatchedNetworks(self.template)
