"""The Relational Transformer over the graph of a network's weights.

Shapes: B batch, W width.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from wflow_core.space import Space
from wflow_core.symmetry.graph import WeightGraph
from wflow_plugins.velocities.graph_velocity import AttentionOptions, GraphVelocity
from wflow_plugins.velocities.relational_layer import RelationalLayer
from wflow_plugins.velocities.relational_tokens import RelationalCodec


class RelationalTransformer(GraphVelocity):
    """Attention along the weights of a network, over all its units; commutes with permutations.

    Units are nodes, biases among their features, and weights edges with a state of their own that
    each layer updates. Only edges that are there are attended to, as dense bipartite blocks: no
    scatter, no padding, no N x N. Time reaches every node and every edge, at the start and, for
    nodes, through adaptive normalisation of each layer. Sources: Diao & Loynd 2023 (arXiv
    2210.05062), on weights Kofinas et al. 2024 (arXiv 2403.12143).
    """

    class Config(AttentionOptions):
        width: int = Field(64, ge=1, description="width of a node and of an edge")
        layers: int = Field(5, ge=1, description="attention layers")
        heads: int = Field(1, ge=1, description="attention heads; divide the width")

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c = self.config
        self.codec = RelationalCodec(self.graph, c.width)
        self.layers = nn.ModuleList(RelationalLayer(c.width, c.heads) for _ in range(c.layers))

    def backbone(self, graph: WeightGraph, unit: Tensor, time: Tensor) -> Tensor:
        nodes, edges = self.codec.encode(graph, unit, time)
        ends = [graph.blocks[name].groups for name in self.codec.edge_names]
        for layer in self.layers:
            nodes, edges = layer(nodes, edges, ends, time)
        return self.codec.decode(graph, nodes, edges)
