"""Canonical form of the continuous symmetry inside attention heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.task import Task
from wflow_core.symmetry import GroupElement
from wflow_core.weights import WeightSet
from wflow_plugins.canonicalizers.linear_pairs import (
    factors,
    linear_pairs,
    svd_of_product,
    with_factors,
)


class AttentionGauge(Canonicalizer):
    """Balances queries with keys, and values with outputs, in each attention head.

    The function of a head does not change when its queries are multiplied by an invertible matrix
    and its keys by the inverse transpose, biases included; likewise values and outputs. The
    representative is the balanced one: with the singular value decomposition U S V^T of the
    product, ``sqrt(S) U^T`` and ``sqrt(S) V^T``. It minimises the sum of squares, as weight decay
    does. Dimensions are in order of decreasing singular values, with signs that make the largest
    incoming weight positive. A subsequent ``weight_matching`` or ``transfusion`` aligns dimensions
    between networks and keeps the balance. Computed in float64.

    Each snapshot and each initialisation is balanced separately.
    """

    granularity = "network"

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        self.pairs = linear_pairs(architecture.symmetry, "attention_gauge")

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: Tensor) -> GroupElement:
        return GroupElement()  # general matrices are not group elements; see act

    def act(self, weights: Tensor, element: GroupElement) -> Tensor:
        symmetry = self.architecture.symmetry
        blocks = symmetry.graph.split(super().act(weights, element))
        for group in self.pairs:
            factors_64 = (factor.double() for factor in factors(symmetry, blocks, group))
            blocks |= with_factors(symmetry, blocks, group, *balance(*factors_64))
        return symmetry.graph.merge(blocks)


def balance(writes: Tensor, reads: Tensor) -> tuple[Tensor, Tensor]:
    """``[B, H, d, c], [B, H, d, e] ->`` balanced factors of the same product ``writes^T reads``.

    Dimensions beyond the numerical rank of the product become zero.
    """
    u, s, v = svd_of_product(writes, reads)
    nonzero = s > s[..., :1] * torch.finfo(s.dtype).eps * max(writes.shape[-1], reads.shape[-1])
    root = torch.where(nonzero, s, 0).sqrt().unsqueeze(-1)
    first, second = root * u.mT, root * v
    largest = first.gather(-1, first.abs().argmax(-1, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0).to(first)
    padding = (0, 0, 0, writes.shape[-2] - s.shape[-1])  # where d exceeds the number of columns
    return functional.pad(sign * first, padding), functional.pad(sign * second, padding)
