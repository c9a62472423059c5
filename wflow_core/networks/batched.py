"""Many networks of one architecture as one batched program.

Shapes: N networks, P weights, Q buffer entries, B inputs, C outputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from wflow_core.devices import activation_budget
from wflow_core.networks.shared_linear import SharingLinears
from wflow_core.weights import WeightLayout
from wflow_core.weights.chunks import chunk_size, load, load_limit

LIVE_OUTPUTS = 4
"""Outputs of layers, each as large as the largest, that are in memory at a time."""


class BatchedNetworks:
    """Evaluates N networks at once through ``vmap``; one module lends its structure.

    Args:
        module: its own weights are never used.
        budget: bytes that activations of one chunk of networks may take, roughly; by default what
            the device has room for.
    """

    def __init__(self, module: nn.Module, budget: int | None = None):
        self.module = module
        self.layout = WeightLayout.of_parameters(module)
        self.buffer_layout = WeightLayout.of_buffers(module)
        self.budget = budget
        self._widths: dict[torch.Size, int] = {}

    def __call__(self, weights: Tensor, x: Tensor, buffers: Tensor | None = None) -> Tensor:
        """``[N, P]`` and inputs ``[B, *inputs]`` that all share, to ``[N, B, C]`` in chunks."""
        budget = self.budget or activation_budget(weights.device)
        budget = min(budget, load_limit(weights) or budget)
        size, rows = chunk_size(weights, self.chunk(x, budget)), self._rows(x, budget)
        if buffers is None:
            buffers = weights.new_zeros(len(weights), 0)
        chunks = zip(weights.split(size), buffers.split(size), strict=True)
        states = (self.tensors(load(w), b) for w, b in chunks)
        found = ([self.forward(state, of) for of in x.split(rows)] for state in states)
        return torch.cat([of[0] if len(of) == 1 else torch.cat(of, 1) for of in found])

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

    def chunk(self, x: Tensor, budget: int | None = None) -> int:
        """Networks at a time within the budget, for inputs ``[B, *inputs]``."""
        budget = budget or self.budget or activation_budget(x.device)
        if not len(x):
            return budget
        return int(max(1, budget // (LIVE_OUTPUTS * x.element_size() * len(x) * self._width(x))))

    def _rows(self, x: Tensor, budget: int) -> int:
        """Inputs at a time within the budget, of one network; all where rows see each other."""
        if any(layer.training for layer in self.module.modules()) or not len(x):
            return max(1, len(x))
        return int(max(1, budget // (LIVE_OUTPUTS * x.element_size() * self._width(x))))

    @torch.no_grad()
    def _width(self, x: Tensor) -> int:
        """Entries of the largest output of a layer for one input, found by trying it."""
        if x.shape[1:] not in self._widths:
            sizes = [1]
            dtype = x.dtype if x.is_floating_point() else None
            module = without_weights(self.module, dtype, x.device).eval()
            for layer in module.modules():
                layer.register_forward_hook(_record_size(sizes))
            module(x[:2])  # BatchNorm by the rows at hand takes no single one
            self._widths[x.shape[1:]] = max(1, max(sizes) // len(x[:2]))
        return self._widths[x.shape[1:]]


def _record_size(sizes: list[int]) -> Callable[[nn.Module, Any, Any], None]:
    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    return note


def without_weights(
    module: nn.Module, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> nn.Module:
    """A copy whose parameters are zeros that share one place in memory, whatever their shape.

    Args:
        dtype: of what is floating point; the module's own by default.
        device: the module's own by default.
    """
    memo: dict[int, nn.Parameter] = {}
    for p in module.parameters():
        wanted = dtype if p.is_floating_point() else None
        zero = torch.zeros((), dtype=wanted or p.dtype, device=device or p.device)
        memo[id(p)] = nn.Parameter(zero.expand(p.shape), requires_grad=False)
    return copy.deepcopy(module, memo).to(device, dtype)
