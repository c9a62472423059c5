"""Principal neighbourhood aggregation over the graph of a network's weights.

Shapes: B batch, W width.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.interfaces.component import Options
from wflow_core.space import Space
from wflow_core.symmetry.graph import WeightGraph
from wflow_plugins.velocities.graph_velocity import GraphVelocity
from wflow_plugins.velocities.pna_layer import PnaLayer, mean_log_degree
from wflow_plugins.velocities.relational_tokens import RelationalCodec


class Pna(GraphVelocity):
    """Messages along the weights of a network, over all its units; commutes with permutations.

    Units are nodes, biases among their features, and weights edges with a state of their own that
    modulates messages and that each layer updates. A node takes mean, least, greatest and standard
    deviation of its messages, each as it is and scaled up and down by the logarithm of its
    degree. Edges are dense bipartite blocks: no scatter. Time reaches every node and every edge,
    at the start and, for nodes, through adaptive normalisation of each layer. Sources: Corso et
    al. 2020 (arXiv 2004.05718), as torch_geometric's ``PNAConv`` has it; on weights, with edge
    updates, Kofinas et al. 2024 (arXiv 2403.12143).
    """

    class Config(Options):
        width: int = Field(64, ge=1, description="width of a node and of an edge")
        layers: int = Field(4, ge=1, description="message-passing layers")

    degree: Tensor

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c = self.config
        self.codec = RelationalCodec(self.graph, c.width)
        self.layers = nn.ModuleList(PnaLayer(c.width) for _ in range(c.layers))
        # Of the networks that it learns from, and kept where it serves others.
        self.register_buffer("degree", torch.tensor(mean_log_degree(self.graph)))

    def backbone(self, graph: WeightGraph, unit: Tensor, time: Tensor) -> Tensor:
        nodes, edges = self.codec.encode(graph, unit, time)
        ends = [graph.blocks[name].groups for name in self.codec.edge_names]
        for layer in self.layers:
            nodes, edges = layer(nodes, edges, ends, time, self.degree)
        return self.codec.decode(graph, nodes, edges)
