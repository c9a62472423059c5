"""From flat weights to nodes and edges of the whole graph, and back.

Every unit is a node, fixed ones too; every weight between two groups an edge. Shapes: B batch,
n nodes of a group, n_a x n_b edges of a block, F features of a block, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wflow_core.symmetry.graph import WeightGraph
from wflow_plugins.velocities.standardized import zero_init_linear

Nodes = dict[str, Tensor]
"""Group (or ``GLOBAL``) -> ``[B, n, W]``."""
Edges = list[Tensor]
"""``[B, n_a, n_b, W]`` a block, in the order of the blocks."""

GLOBAL = "global node"


class RelationalCodec(nn.Module):
    """Linear maps between blocks, nodes and edges; their sizes depend on fixed groups only.

    A group's nodes start with its own embedding, so that layers are told apart; fixed units
    each have one, since each has an identity.
    """

    def __init__(self, graph: WeightGraph, width: int):
        super().__init__()
        groups, blocks = graph.groups, graph.blocks
        self.feature_owners = [
            *groups,
            *([GLOBAL] if any(not b.groups for b in blocks.values()) else []),
        ]
        self.edge_names = [n for n, b in blocks.items() if len(b.groups) == 2]
        self.node_names = {owner: _features(graph, owner) for owner in self.feature_owners}
        features = [sum(blocks[n].shape[-1] for n in of) for of in self.node_names.values()]
        taps = [blocks[n].shape[-1] for n in self.edge_names]
        # Names of groups and blocks may hold dots, which keys of modules may not.
        self.embedding = nn.Parameter(torch.randn(len(self.feature_owners), width) * width**-0.5)
        self.identity = nn.ParameterDict(
            {
                str(i): nn.Parameter(torch.randn(graph.nodes[g], width) * width**-0.5)
                for i, g in enumerate(groups)
                if not groups[g].permutable
            }
        )
        self.read = nn.ModuleDict(
            {str(i): nn.Linear(f, width) for i, f in enumerate(features) if f}
        )
        self.edge_read = nn.ModuleList(nn.Linear(f, width) for f in taps)
        self.norm, self.edge_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.write = nn.ModuleDict(
            {str(i): zero_init_linear(width, f) for i, f in enumerate(features) if f}
        )
        self.edge_write = nn.ModuleList(zero_init_linear(width, f) for f in taps)

    def encode(self, graph: WeightGraph, x: Tensor, time: Tensor) -> tuple[Nodes, Edges]:
        """``[B, P]`` and time ``[B, W]``, which is added to every node and every edge."""
        pieces, nodes = graph.split(x), {}
        for i, owner in enumerate(self.feature_owners):
            n, own = graph.nodes.get(owner, 1), self.embedding[i] + time.unsqueeze(1)
            if str(i) in self.identity:
                own = own + self.identity[str(i)]
            if str(i) in self.read:
                found = [pieces[name].reshape(len(x), n, -1) for name in self.node_names[owner]]
                own = own + self.read[str(i)](torch.cat(found, 2))
            nodes[owner] = own.expand(-1, n, -1)
        edges = [
            read(pieces[name]) + time[:, None, None]
            for name, read in zip(self.edge_names, self.edge_read, strict=True)
        ]
        return nodes, edges

    def decode(self, graph: WeightGraph, nodes: Nodes, edges: Edges) -> Tensor:
        """The inverse shapes: nodes and edges ``-> [B, P]``."""
        pieces: dict[str, Tensor] = {}
        for i, write in self.write.items():
            owner = self.feature_owners[int(i)]
            shapes = {name: graph.blocks[name].shape for name in self.node_names[owner]}
            cut = write(self.norm(nodes[owner])).split([s[-1] for s in shapes.values()], 2)
            for (name, shape), piece in zip(shapes.items(), cut, strict=True):
                pieces[name] = piece.reshape(len(piece), *shape)
        for name, edge, write in zip(self.edge_names, edges, self.edge_write, strict=True):
            pieces[name] = write(self.edge_norm(edge))
        return graph.merge(pieces)


def _features(graph: WeightGraph, owner: str) -> list[str]:
    """The blocks that are features of a group's nodes, or of the global node."""
    return [n for n, b in graph.blocks.items() if (b.groups or (GLOBAL,)) == (owner,)]
