"""Many networks of one architecture as one batched program.

Shapes: N networks, P weights, Q buffer entries, B inputs, C outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from wflow_core.shared_linear import SharingLinears
from wflow_core.weights import WeightLayout


class BatchedNetworks:
    """Evaluates N networks at once through ``vmap``; one module lends its structure.

    Args:
        module: its own weights are never used.
        budget: bytes that activations of one chunk of networks may take, roughly.
    """

    def __init__(self, module: nn.Module, budget: int = 2**29):
        self.module = module
        self.layout = WeightLayout.of_parameters(module)
        self.buffer_layout = WeightLayout.of_buffers(module)
        self.budget = budget

    def __call__(self, weights: Tensor, x: Tensor, buffers: Tensor | None = None) -> Tensor:
        """``[N, P]`` and inputs ``[B, *inputs]`` that all share, to ``[N, B, C]`` in chunks."""
        size = self._chunk(x)
        if buffers is None:
            buffers = weights.new_zeros(len(weights), 0)
        pieces = zip(weights.split(size), buffers.split(size), strict=True)
        return torch.cat([self.forward(self.tensors(w, b), x) for w, b in pieces])

    def tensors(self, weights: Tensor, buffers: Tensor) -> dict[str, Tensor]:
        """``[N, P]``, ``[N, Q] -> {name: [N, *shape]}``; Q = 0 leaves the module's own buffers."""
        own = self.buffer_layout.unflatten(buffers) if buffers.shape[-1] else {}
        return self.layout.unflatten(weights) | own

    def forward(self, tensors: dict[str, Tensor], x: Tensor, own_inputs: bool = False) -> Tensor:
        """``{name: [N, *shape]} -> [N, B, C]`` in one piece, differentiable.

        Args:
            own_inputs: x is ``[N, B, *inputs]``, a batch a network, not one that all share.
        """

        def one(state: dict[str, Tensor], inputs: Tensor) -> Tensor:
            return functional_call(self.module, state, (inputs,))

        with SharingLinears():
            outputs: Tensor = vmap(one, (0, 0 if own_inputs else None), randomness="different")(
                tensors, x
            )
        return outputs

    def _chunk(self, x: Tensor) -> int:
        widest = max((slot.shape[0] for slot in self.layout.slots if slot.shape), default=1)
        per_network = 4 * len(x) * max(widest, x[0].numel() if len(x) else 1)
        return int(max(1, self.budget // max(1, per_network)))
