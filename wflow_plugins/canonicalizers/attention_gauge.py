"""The continuous symmetry inside attention heads, fixed."""

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
from wflow_plugins.canonicalizers.linear_pairs import linear_pairs, sides, singular, with_sides


class AttentionGauge(Canonicalizer):
    """Balances queries with keys, and values with outputs, in each attention head.

    A head computes the same when its queries are multiplied by any invertible matrix and its keys
    by the inverse transpose, biases along; likewise values and outputs. Of all these, the balanced
    representative is taken: with the singular value decomposition U S V^T of the product, biases
    being columns of it, ``sqrt(S) U^T`` and ``sqrt(S) V^T``. It has the least sum of squares, the
    one that weight decay would choose. Dimensions come by falling singular values, with signs such
    that the largest weight into each is positive; to lie as in other networks, too, let
    ``weight_matching`` or ``transfusion`` follow, which leave it balanced. Computed in float64.

    Each snapshot and each initialisation is balanced by itself.
    """

    granularity = "network"

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        self.pairs = linear_pairs(architecture.symmetry, "attention_gauge")

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: Tensor) -> GroupElement:
        return GroupElement()  # A general matrix is none; what it does is done in act.

    def act(self, weights: Tensor, element: GroupElement) -> Tensor:
        symmetry = self.architecture.symmetry
        pieces = symmetry.graph.split(super().act(weights, element))
        for group in self.pairs:
            both = (side.double() for side in sides(symmetry, pieces, group))
            pieces |= with_sides(symmetry, pieces, group, *balanced(*both))
        return symmetry.graph.merge(pieces)


def balanced(writes: Tensor, reads: Tensor) -> tuple[Tensor, Tensor]:
    """``[B, H, d, c], [B, H, d, e] ->`` the same with ``writes^T reads`` as it was.

    Dimensions that the product does not need, by its numerical rank, become zero.
    """
    u, s, v = singular(writes, reads)
    rank = s > s[..., :1] * torch.finfo(s.dtype).eps * max(writes.shape[-1], reads.shape[-1])
    root = torch.where(rank, s, 0).sqrt().unsqueeze(-1)
    into, out = root * u.mT, root * v
    largest = into.gather(-1, into.abs().argmax(-1, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0).to(into)
    missing = (0, 0, 0, writes.shape[-2] - s.shape[-1])  # there where d exceeds the columns
    return functional.pad(sign * into, missing), functional.pad(sign * out, missing)
