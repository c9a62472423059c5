"""Multi-head attention: what it computes, and the groups and parts of its weights.

Shapes: B batch, L tokens, S width of the stream, H heads, d dimensions of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_core.symmetry.groups import Group, Part

STREAM = "stream"
"""The group of the residual stream's units, which every layer of a transformer shares."""


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, padding: Tensor | None = None) -> Tensor:
    """``[B, L, S]`` of queries, keys and values ``-> [B, L, S]``, head beside head.

    Args:
        padding: ``[B, L]``, true at tokens that none looks at; where all are, all count alike.

    Source: Vaswani et al. 2017 (arXiv 1706.03762).
    """
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(-3, -2) for x in (q, k, v))  # [B, H, L, d]
    score = q @ k.mT * q.shape[-1] ** -0.5
    if padding is not None:
        score = score.masked_fill(padding[:, None, None], torch.finfo(score.dtype).min)
    return (score.softmax(-1) @ v).transpose(-3, -2).flatten(-2)


@dataclass(frozen=True)
class Heads:
    """The heads of one attention layer.

    Groups ``NAME.heads``, and in each head ``NAME.qk``, the dimensions that queries and keys share,
    and ``NAME.vo``, those of values. Both are linear on either side, so that every factor but zero
    is let through.

    Attributes:
        name: what the groups' names start with.
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

    def query(self, layer: str, place: int | None = None, bias: bool = True) -> list[Part]:
        """Weight ``[S, S]`` and bias of the queries; ``place`` in a fused layer, counted in S."""
        return self._into(layer, "qk", 1, place, bias)

    def key(self, layer: str, place: int | None = None, bias: bool = True) -> list[Part]:
        """Those of the keys, which take what is taken from the queries."""
        return self._into(layer, "qk", -1, place, bias)

    def value(self, layer: str, place: int | None = None, bias: bool = True) -> list[Part]:
        """Those of the values."""
        return self._into(layer, "vo", 1, place, bias)

    def output(self, layer: str) -> list[Part]:
        """Those of the layer that reads all heads and writes the stream."""
        view, vo = (self.width, self.count, self.size), f"{self.name}.vo"
        axes = (STREAM, f"{self.name}.heads", vo)
        weight = Part(f"{layer}.weight", axes, view=view, scale_exponent={vo: -1})
        return [weight, Part(f"{layer}.bias", (STREAM,))]

    @property
    def width(self) -> int:
        """S."""
        return self.count * self.size

    def _into(
        self, layer: str, within: str, power: int, place: int | None, bias: bool
    ) -> list[Part]:
        group, view = f"{self.name}.{within}", (self.count, self.size)
        axes = (f"{self.name}.heads", group)
        rows = None if place is None else (place * self.width, (place + 1) * self.width)
        weight = Part(f"{layer}.weight", (*axes, STREAM), rows, (*view, self.width), {group: power})
        return [weight, Part(f"{layer}.bias", axes, rows, view, {group: power})][: 1 + bias]
