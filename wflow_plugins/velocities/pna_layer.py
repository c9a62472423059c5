"""One layer of principal neighbourhood aggregation on dense bipartite blocks.

The message of node j to node i is ``m_ij = R n_i + S n_j * (1 + M e_ij) + E e_ij``; without the
modulation M it is that of torch_geometric's ``PNAConv``, which scatters single edges. An edge and
its reversed edge share one state, which each direction reads through maps of its own. Source:
Corso et al. 2020 (arXiv 2004.05718), equations 5-8. Shapes: B batch, n nodes, n_a x n_b edges of a
block, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wflow_core.symmetry.graph import WeightGraph
from wflow_plugins.velocities.relational_layer import EdgeUpdate, Ends, feed_forward
from wflow_plugins.velocities.relational_tokens import Edges, Nodes
from wflow_plugins.velocities.standardized import zero_init_linear

LEAST_VARIANCE = 1e-5
"""Below it the gradient of a standard deviation would blow up."""


class PnaLayer(nn.Module):
    """Nodes aggregate messages along edges in both directions; then their ends update the edges."""

    def __init__(self, width: int):
        super().__init__()
        self.adapt = zero_init_linear(width, 6 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.edge_norm = nn.LayerNorm(width)
        self.listen = Neighbourhood(width)
        self.feed = feed_forward(width, 4 * width)
        self.update = EdgeUpdate(width)

    def forward(
        self, nodes: Nodes, edges: Edges, ends: Ends, time: Tensor, degree: Tensor
    ) -> tuple[Nodes, Edges]:
        """Nodes ``[B, n, W]`` a group, edges ``[B, n_a, n_b, W]`` a block, time ``[B, W]``.

        Args:
            degree: mean of ``log(degree + 1)`` over nodes; see ``mean_log_degree``.
        """
        shift, scale, gate, *feed = self.adapt(time).unsqueeze(1).chunk(6, -1)
        normed_edges = [self.edge_norm(edge) for edge in edges]
        ready = {group: self.norm(own) * (1 + scale) + shift for group, own in nodes.items()}
        aggregated, nodes = self.listen(ready, normed_edges, ends, degree), dict(nodes)
        for group, own in nodes.items():
            if group in aggregated:
                own = own + (1 + gate) * aggregated[group]
            inner = self.norm(own) * (1 + feed[1]) + feed[0]
            nodes[group] = own + (1 + feed[2]) * self.feed(inner)
        normed_nodes = {group: self.norm(own) for group, own in nodes.items()}
        edges = [
            edge + self.update(normed, normed_nodes[row], normed_nodes[column])
            for edge, normed, (row, column) in zip(edges, normed_edges, ends, strict=True)
        ]
        return nodes, edges


class Neighbourhood(nn.Module):
    """Updates each node from itself and the messages of all its neighbours, over all blocks."""

    def __init__(self, width: int):
        super().__init__()
        self.to_row, self.to_column = (Messages(width, across) for across in (2, 1))
        self.mix = nn.Linear(13 * width, width)

    def forward(self, nodes: Nodes, edges: Edges, ends: Ends, degree: Tensor) -> Nodes:
        """Nodes ``[B, n, W]`` a group -> the same, of groups that have edges alone."""
        incoming: dict[str, list[Aggregates]] = {}
        for edge, (row, column) in zip(edges, ends, strict=True):
            incoming.setdefault(row, []).append(self.to_row(edge, nodes[row], nodes[column]))
            incoming.setdefault(column, []).append(self.to_column(edge, nodes[column], nodes[row]))
        return {
            group: self.mix(torch.cat([nodes[group], *_scaled(messages, degree)], -1))
            for group, messages in incoming.items()
        }


@dataclass(frozen=True)
class Aggregates:
    """Statistics ``[B, n, W]`` of the ``count`` messages that each node of a block receives."""

    count: int
    mean: Tensor
    variance: Tensor
    least: Tensor
    most: Tensor


class Messages(nn.Module):
    """The messages along the edges of a block, in one of its two directions.

    Args:
        across: the axis of an edge block that senders lie on: 2 where rows receive, else 1.
    """

    def __init__(self, width: int, across: int):
        super().__init__()
        self.across = across
        self.receiver = nn.Linear(width, width)
        self.sender = nn.Linear(width, width, bias=False)
        self.scale, self.edge = nn.Linear(width, width), nn.Linear(width, width, bias=False)

    def forward(self, edge: Tensor, receiver: Tensor, sender: Tensor) -> Aggregates:
        """Edges ``[B, n_a, n_b, W]``, nodes ``[B, n, W]``."""
        sent = self.sender(sender).unsqueeze(3 - self.across)
        message = torch.addcmul(self.edge(edge) + sent, sent, self.scale(edge))
        mean = message.mean(self.across)
        variance = message.square().mean(self.across) - mean.square()
        # Of the receiver alone, equal in all its messages: so it is added to their statistics.
        own = self.receiver(receiver)
        least, most = message.amin(self.across), message.amax(self.across)
        count = edge.shape[self.across]
        return Aggregates(count, own + mean, variance, own + least, own + most)


def _scaled(messages: list[Aggregates], degree: Tensor) -> list[Tensor]:
    """The twelve ``[B, n, W]`` of a group: four statistics, as they are, amplified, attenuated."""
    count = sum(h.count for h in messages)
    share = [h.count / count for h in messages]
    mean = sum((s * h.mean for s, h in zip(share, messages, strict=True)), messages[0].mean * 0)
    variance = sum(
        (s * (h.variance + (h.mean - mean).square()) for s, h in zip(share, messages, strict=True)),
        mean * 0,
    )
    least = torch.stack([h.least for h in messages]).amin(0)
    most = torch.stack([h.most for h in messages]).amax(0)
    deviation = variance.clamp_min(LEAST_VARIANCE).sqrt()
    found, relative = [mean, least, most, deviation], math.log(count + 1) / degree
    return [s * of for s in (1.0, relative, 1 / relative) for of in found]


def mean_log_degree(graph: WeightGraph) -> float:
    """Mean over nodes that have edges of ``log(degree + 1)``, an edge counted at both its ends."""
    degrees: dict[str, int] = {}
    for block in graph.blocks.values():
        if len(block.groups) == 2:
            for group, others in zip(block.groups, block.shape[1::-1], strict=True):
                degrees[group] = degrees.get(group, 0) + others
    logs = [(graph.nodes[group], math.log(d + 1)) for group, d in degrees.items()]
    return sum(n * log for n, log in logs) / max(1, sum(n for n, _ in logs)) or 1.0
