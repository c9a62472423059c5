"""Soft permutations, and their action on the blocks of a weight graph.

Shapes: ``...`` batch, n units of a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wflow_core.symmetry.graph import WeightGraph

MIN_KERNEL = 1e-20
RIDGE = 1e-5


class _Sinkhorn(torch.autograd.Function):
    """Scales rows and columns of ``exp(logits)`` alternately until both sum to one.

    The gradient is that of the fixed point, from one linear system, for any number of
    iterations. With P the result, M = P * dL/dP, r and c its row and column sums, it is
    M - P * (x + y^T), where x + P y = r and P^T x + y = c. Source: Eisenberger, Toker, Leal-Taixe,
    Bernard, Cremers 2022 (arXiv 2205.06688), for equal marginals.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, iterations: int) -> Tensor:
        kernel = (logits - logits.amax(-1, keepdim=True)).exp().clamp_min(MIN_KERNEL)
        transposed = kernel.mT
        columns = torch.ones_like(kernel[..., :1])
        for _ in range(iterations):
            rows = (kernel @ columns).reciprocal()
            columns = (transposed @ rows).reciprocal()
        soft = rows * kernel * columns.mT
        ctx.save_for_backward(soft)
        return soft

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None]:
        (soft,) = ctx.saved_tensors
        n = soft.shape[-1]
        mass = soft * grad[0]
        r, c = mass.sum(-1, keepdim=True), mass.sum(-2).unsqueeze(-1)
        # x is determined up to a constant, which 1/n fixes; the ridge regularises permutations.
        eye = torch.eye(n, dtype=soft.dtype, device=soft.device)
        system = (1 + RIDGE) * eye + 1 / n - soft @ soft.mT
        x = torch.linalg.solve_ex(system, r - soft @ c).result
        y = c - soft.mT @ x
        return mass - soft * (x + y.mT), None


def soft_permutation(logits: Tensor, temperature: float, iterations: int) -> Tensor:
    """``[..., n, n]`` logits to doubly stochastic matrices; columns sum to one exactly."""
    soft: Tensor = _Sinkhorn.apply(logits / temperature, iterations)
    return soft


def soft_act(
    graph: WeightGraph, blocks: Mapping[str, Tensor], soft: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """``{block: [B, n_a, n_b, F]}``, each ``P_a W P_b^T`` with ``soft[g]`` of ``[B, n, n]``.

    With permutation matrices it is the action of the element whose ``perm`` is the column index of
    the 1 in each row.
    """
    return {
        name: _act_on_axes(graph.blocks[name].groups, block, soft) for name, block in blocks.items()
    }


def _act_on_axes(groups: tuple[str, ...], block: Tensor, soft: Mapping[str, Tensor]) -> Tensor:
    for dim, group in enumerate(groups, start=1):
        if group in soft:
            moved = block.movedim(dim, 1)
            rows = soft[group] @ moved.flatten(2)
            block = rows.reshape(moved.shape).movedim(1, dim)
    return block
