"""Linear layers of many networks that all see one input: a single matrix product.

``vmap`` would multiply the input with each network's weights apart, which for a first layer of few
units on many features takes three times as long. Shapes: N networks, I features, O outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class SharedLinear(torch.autograd.Function):
    """``torch.nn.functional.linear`` with a rule of its own for ``vmap``.

    Under ``vmap`` the gradients are those of the rule's operations; the plain ones below serve a
    layer in which nothing is batched.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, bias = inputs
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows, inputs = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        return grad @ weight, rows.T @ inputs, rows.sum(0) if ctx.has_bias else None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
    ) -> tuple[Tensor, int]:
        n = info.batch_size
        weight = _first(weight, in_dims[1], n)
        if in_dims[0] is None:
            out = functional.linear(x, weight.flatten(0, 1)).unflatten(-1, weight.shape[:2])
            out = out.movedim(-2, 0)
        else:
            inputs = x.movedim(in_dims[0], 0)
            rows = inputs.reshape(n, -1, inputs.shape[-1])
            out = (rows @ weight.mT).reshape(*inputs.shape[:-1], -1)
        if bias is not None:
            bias = _first(bias, in_dims[2], n)
            out = out + bias.reshape(n, *[1] * (out.dim() - 2), -1)
        return out, 0


class SharingLinears(TorchFunctionMode):
    """Within it, linear layers under ``vmap`` take the rule above."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is not functional.linear:
            return func(*args, **(kwargs or {}))
        return SharedLinear.apply(*_arguments(*args, **(kwargs or {})))


def _arguments(
    input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Of ``linear`` by position, however they were given."""
    return input, weight, bias


def _first(tensor: Tensor, dim: int | None, n: int) -> Tensor:
    """With the batch in front, also where all networks share the tensor."""
    return tensor.expand(n, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
