"""The exponential moving average of a network."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class EMA:
    """A copy of ``network`` whose parameters are an exponential moving average of the network's.

    Buffers are copied, as they are averages already (BatchNorm) or constants. The decay grows to
    ``decay`` as ``(1 + k) / (10 + k)``, so that the initial weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, iteration: int) -> None:
        decay = min(self.decay, (1 + iteration) / (10 + iteration))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        if buffers := list(self.network.buffers()):
            torch._foreach_copy_(buffers, list(network.buffers()))

    def state(self) -> dict[str, Tensor]:
        """A copy of the average as it is now."""
        return {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
