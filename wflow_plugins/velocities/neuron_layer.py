"""One layer of the neuron transformer: tokens attend to tokens and edges; tokens update edges.

Shapes: B batch, T tokens, n_a x n_b edges of a block, W width, E edge width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wflow_plugins.velocities.neuron_tokens import Places
from wflow_plugins.velocities.standardized import zero_init_linear


class NeuronLayer(nn.Module):
    """Attention over all tokens, biased by edges; messages along edges; a feed-forward map."""

    def __init__(self, edge_names: list[str], width: int, heads: int, edge_width: int, gated: bool):
        super().__init__()
        self.heads = heads
        self.adapt = zero_init_linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.edges = nn.ModuleList(EdgeBlock(width, heads, edge_width) for _ in edge_names)
        self.feed = GatedFeed(width) if gated else feed(width)

    def matrices(self) -> list[nn.Parameter]:
        """Those between features of tokens; states of edges are too narrow to be worth it."""
        wide = (self.qkv, self.mix, self.feed)
        return [p for module in wide for p in module.parameters() if p.ndim == 2]

    def forward(
        self, tokens: Tensor, edges: list[Tensor], places: Places, time: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens ``[B, T, W]``, edges ``[B, n_a, n_b, E]`` a block, time ``[B, W]``."""
        shift, scale, gate, *feed = self.adapt(time).unsqueeze(1).chunk(6, -1)
        normed = self.norm(tokens) * (1 + scale) + shift
        query, key, value = (
            p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.qkv(normed).chunk(3, -1)
        )
        bias, messages, updated = self._along_edges(normed, value, edges, places)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        if messages is not None:
            attended = attended + messages
        tokens = tokens + (1 + gate) * self.mix(attended.transpose(1, 2).flatten(2))
        shift, scale, gate = feed
        normed = self.norm(tokens) * (1 + scale) + shift
        return tokens + (1 + gate) * self.feed(normed), updated

    def _along_edges(
        self, normed: Tensor, value: Tensor, edges: list[Tensor], places: Places
    ) -> tuple[Tensor | None, Tensor | None, list[Tensor]]:
        """Attention bias ``[B, H, T, T]``, messages ``[B, H, T, W/H]`` and the updated edges."""
        if not edges:
            return None, None, edges
        tokens = normed.shape[1]
        bias = normed.new_zeros(len(normed), self.heads, tokens, tokens)
        messages, updated = torch.zeros_like(value), []
        for block, edge, (row, column) in zip(self.edges, edges, places.values(), strict=True):
            edge, weight = block(edge, normed[:, row], normed[:, column])
            updated.append(edge)
            to_row, to_column, bias_row, bias_column = weight.permute(0, 3, 1, 2).chunk(4, 1)
            messages[:, :, row] += _mean(to_row, value[:, :, column])
            messages[:, :, column] += _mean(to_column.transpose(2, 3), value[:, :, row])
            bias[:, :, row, column] += bias_row
            bias[:, :, column, row] += bias_column.transpose(2, 3)
        return bias, messages, updated


def feed(width: int) -> nn.Sequential:
    """The feed-forward map of a transformer, ``[..., W] -> [..., W]``."""
    return nn.Sequential(
        nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
    )


class GatedFeed(nn.Module):
    """The same with products of features (GEGLU, arXiv 2002.05202), with as many parameters.

    What training does to the weights of a unit is a product of what comes in and what goes out.
    """

    def __init__(self, width: int):
        super().__init__()
        hidden = 8 * width // 3
        self.both, self.out = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.both(x).chunk(2, -1)
        found: Tensor = self.out(F.gelu(gate, approximate="tanh") * value)
        return found


class EdgeBlock(nn.Module):
    """Updates the state of edges from both ends; gives each head's weights along them."""

    def __init__(self, width: int, heads: int, edge_width: int):
        super().__init__()
        self.norm = nn.LayerNorm(edge_width)
        self.own = nn.Linear(edge_width, 2 * edge_width)
        self.row = nn.Linear(width, 2 * edge_width, bias=False)
        self.column = nn.Linear(width, 2 * edge_width, bias=False)
        self.out = nn.Linear(2 * edge_width, edge_width)
        self.weight = nn.Linear(edge_width, 4 * heads)

    def forward(self, edge: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, n_a, n_b, E]`` with ends ``[B, n, W]`` -> the same, and ``[B, n_a, n_b, 4H]``."""
        mixed = self.own(self.norm(edge)) + self.row(row).unsqueeze(2)
        edge = edge + self.out(F.gelu(mixed + self.column(column).unsqueeze(1), approximate="tanh"))
        return edge, self.weight(edge)


def _mean(weight: Tensor, value: Tensor) -> Tensor:
    """Messages ``[B, H, n_a, n_b] x [B, H, n_b, d]``, their size kept at any number of senders."""
    return weight @ value * weight.shape[-1] ** -0.5
