"""One layer of the Relational Transformer on real edges, as dense bipartite blocks.

Queries, keys and values come from nodes and edges: ``q_ij = Q n_i + Q' e_ij``, ``k_ij = K n_j +
K' e_ij``, and the value is the sender's, modulated by the edge: ``v_ij = V n_j * (1 + S e_ij) + A
e_ij``. An edge and its reversed edge share one state, which each direction reads through maps of
its own. Sources: Diao & Loynd 2023 (arXiv 2210.05062), equations 6-13; modulated values as in
Kofinas et al. 2024 (arXiv 2403.12143). Shapes: B batch, n nodes, n_a x n_b edges of a block, W
width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wflow_plugins.velocities.relational_tokens import Edges, Nodes
from wflow_plugins.velocities.standardized import zero_init_linear

Ends = list[tuple[str, str]]
"""The row group and the column group of each edge block."""


class RelationalLayer(nn.Module):
    """Nodes attend along edges in both directions; then their ends update the edges."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.adapt = zero_init_linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.edge_norm = nn.LayerNorm(width)
        self.from_node = nn.Linear(width, 3 * width)
        self.to_row, self.to_column = (EdgeAttention(width, heads, across) for across in (2, 1))
        self.mix = nn.Linear(width, width)
        self.feed = feed_forward(width, 4 * width)
        self.update = EdgeUpdate(width)

    def forward(self, nodes: Nodes, edges: Edges, ends: Ends, time: Tensor) -> tuple[Nodes, Edges]:
        """Nodes ``[B, n, W]`` a group, edges ``[B, n_a, n_b, W]`` a block, time ``[B, W]``."""
        shift, scale, gate, *feed = self.adapt(time).unsqueeze(1).chunk(6, -1)
        normed_edges = [self.edge_norm(edge) for edge in edges]
        nodes = self._attend(nodes, normed_edges, ends, (shift, scale, gate))
        for group, own in nodes.items():
            inner = self.norm(own) * (1 + feed[1]) + feed[0]
            nodes[group] = own + (1 + feed[2]) * self.feed(inner)
        normed_nodes = {group: self.norm(own) for group, own in nodes.items()}
        edges = [
            edge + self.update(normed, normed_nodes[row], normed_nodes[column])
            for edge, normed, (row, column) in zip(edges, normed_edges, ends, strict=True)
        ]
        return nodes, edges

    def _attend(self, nodes: Nodes, edges: Edges, ends: Ends, adapt: tuple[Tensor, ...]) -> Nodes:
        """Attention of every node over all its edges, whatever blocks they lie in."""
        shift, scale, gate = adapt
        sent = {
            group: self.from_node(self.norm(own) * (1 + scale) + shift).chunk(3, -1)
            for group, own in nodes.items()
        }
        incoming: dict[str, list[Incoming]] = {group: [] for group in nodes}
        for edge, (row, column) in zip(edges, ends, strict=True):
            incoming[row].append((self.to_row, self.to_row(edge, sent[row], sent[column])))
            incoming[column].append((self.to_column, self.to_column(edge, sent[column], sent[row])))
        found = dict(nodes)
        for group, own in nodes.items():
            if messages := incoming[group]:
                logits = [logits for _, (logits, *_) in messages]
                weights = torch.cat(logits, 2).softmax(2).split([x.shape[2] for x in logits], 2)
                attended = sum(
                    attention.message(w, *values)
                    for (attention, (_, *values)), w in zip(messages, weights, strict=True)
                )
                found[group] = own + (1 + gate) * self.mix(attended)
        return found


class EdgeAttention(nn.Module):
    """Attention along the edges of a block, in one of its two directions.

    Args:
        across: the axis of an edge block that senders lie on: 2 where rows receive, else 1.
    """

    def __init__(self, width: int, heads: int, across: int):
        super().__init__()
        self.heads, self.across = heads, across
        self.query, self.key, self.scale, self.shift = (nn.Linear(width, width) for _ in range(4))

    def forward(
        self, edge: Tensor, receiver: tuple[Tensor, ...], sender: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Edges ``[B, n_a, n_b, W]`` -> logits ``[B, n, m, H]`` of receivers, senders; and what
        the message is made of."""
        query = receiver[0].unsqueeze(self.across)
        key, value = (s.unsqueeze(3 - self.across) for s in sender[1:])
        product = (self.query(edge) + query) * (self.key(edge) + key)
        logits = product.unflatten(-1, (self.heads, -1)).sum(-1)
        logits = logits * (edge.shape[-1] / self.heads) ** -0.5
        return self._receivers_first(logits), torch.addcmul(value, value, self.scale(edge)), edge

    def message(self, weights: Tensor, value: Tensor, edge: Tensor) -> Tensor:
        """Weights ``[B, n, m, H]`` -> ``[B, n, W]``; the map of edges comes after their sum."""
        weights = self._receivers_first(weights).unsqueeze(-1)
        summed = (
            (weights * each.unflatten(-1, (self.heads, -1))).sum(self.across).flatten(-2)
            for each in (value, edge)
        )
        return next(summed) + self.shift(next(summed))

    def _receivers_first(self, x: Tensor) -> Tensor:
        return x if self.across == 2 else x.transpose(1, 2)


class EdgeUpdate(nn.Module):
    """A feed-forward map of an edge and both its ends."""

    def __init__(self, width: int):
        super().__init__()
        self.own = nn.Linear(width, 2 * width)
        self.row = nn.Linear(width, 2 * width, bias=False)
        self.column = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(2 * width, width)

    def forward(self, edge: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """``[B, n_a, n_b, W]`` with ends ``[B, n, W]`` -> the same."""
        mixed = self.own(edge) + self.row(row).unsqueeze(2) + self.column(column).unsqueeze(1)
        out: Tensor = self.out(F.gelu(mixed, approximate="tanh"))
        return out


Incoming = tuple[EdgeAttention, tuple[Tensor, ...]]
"""The direction of a message, and what it is made of."""


def feed_forward(width: int, inner: int) -> nn.Sequential:
    """``width -> inner -> width``."""
    return nn.Sequential(
        nn.Linear(width, inner), nn.GELU(approximate="tanh"), nn.Linear(inner, width)
    )
