"""Multi-head attention: its computation, and the groups and parts of its weights.

Shapes: B batch, L tokens, S width of the stream, H heads, d dimensions of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_core.symmetry.groups import Group, Part

STREAM = "stream"
"""The group of the residual stream's units, shared by all layers of a transformer."""


def multi_head_attention(
    q: Tensor, k: Tensor, v: Tensor, heads: int, padding: Tensor | None = None
) -> Tensor:
    """Queries, keys and values ``[B, L, S]`` each ``-> [B, L, S]``, heads concatenated.

    Args:
        padding: ``[B, L]``, true at masked tokens; where all are masked, all have equal weight.

    Source: Vaswani et al. 2017 (arXiv 1706.03762).
    """
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(-3, -2) for x in (q, k, v))  # [B, H, L, d]
    score = q @ k.mT * q.shape[-1] ** -0.5
    if padding is not None:
        score = score.masked_fill(padding[:, None, None], torch.finfo(score.dtype).min)
    return (score.softmax(-1) @ v).transpose(-3, -2).flatten(-2)


@dataclass(frozen=True)
class AttentionParts:
    """Groups and parts of one attention layer.

    Groups are ``NAME.heads``, and in each head ``NAME.qk``, the dimensions of queries and keys, and
    ``NAME.vo``, those of values. Both lie between linear maps: any nonzero scale is a symmetry.

    Attributes:
        name: prefix of the groups' names.
        count, size: H and d.
    """

    name: str
    count: int
    size: int

    def groups(self) -> dict[str, Group]:
        """The three groups by name."""
        within = Group(self.size, scaling="nonzero", parent=f"{self.name}.heads")
        return {
            f"{self.name}.heads": Group(self.count),
            f"{self.name}.qk": within,
            f"{self.name}.vo": within,
        }

    def query(self, layer: str, position: int | None = None, bias: bool = True) -> list[Part]:
        """Weight ``[S, S]`` and bias of queries, at block ``position`` of a fused layer."""
        return self._projection_parts(layer, "qk", 1, position, bias)

    def key(self, layer: str, position: int | None = None, bias: bool = True) -> list[Part]:
        """Weight and bias of keys, with the inverse scale of the queries."""
        return self._projection_parts(layer, "qk", -1, position, bias)

    def value(self, layer: str, position: int | None = None, bias: bool = True) -> list[Part]:
        """Weight and bias of values."""
        return self._projection_parts(layer, "vo", 1, position, bias)

    def output(self, layer: str) -> list[Part]:
        """Weight and bias of the layer from all heads to the stream."""
        view, vo = (self.width, self.count, self.size), f"{self.name}.vo"
        axes = (STREAM, f"{self.name}.heads", vo)
        weight = Part(f"{layer}.weight", axes, view=view, scale_exponent={vo: -1})
        return [weight, Part(f"{layer}.bias", (STREAM,))]

    @property
    def width(self) -> int:
        """S."""
        return self.count * self.size

    def _projection_parts(
        self, layer: str, within: str, exponent: int, position: int | None, bias: bool
    ) -> list[Part]:
        group, view = f"{self.name}.{within}", (self.count, self.size)
        axes = (f"{self.name}.heads", group)
        rows = None if position is None else (position * self.width, (position + 1) * self.width)
        weight = Part(
            f"{layer}.weight", (*axes, STREAM), rows, (*view, self.width), {group: exponent}
        )
        return [weight, Part(f"{layer}.bias", axes, rows, view, {group: exponent})][: 1 + bias]
