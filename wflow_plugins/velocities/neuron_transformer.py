"""A transformer whose tokens are the units of permutable groups.

Shapes: B batch, T tokens, n units of a group, W width, E edge width, F features.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from wflow_core.space import Space
from wflow_core.symmetry.graph import WeightGraph
from wflow_plugins.velocities.graph_velocity import AttentionOptions, GraphVelocity
from wflow_plugins.velocities.neuron_layer import NeuronLayer
from wflow_plugins.velocities.neuron_tokens import TokenCodec


class NeuronTransformer(GraphVelocity):
    """Commutes with every permutation of units, exactly, and runs at any number of units.

    A unit is a token. Its weights to fixed groups (inputs, classes) are its features, through
    a plain linear map; only weights between two permutable groups are edges. Time enters by
    adaptive normalisation; the output starts at zero. Compare DiT (arXiv 2212.09748) for the
    normalisation and Diao & Loynd 2023 (arXiv 2210.05062) for attention with edges.
    """

    class Config(AttentionOptions):
        layers: int = Field(4, ge=1, description="attention layers")
        edge_width: int = Field(16, ge=1, description="width of the state of an edge")
        gated: bool = Field(False, description="feed-forward maps multiply features (GEGLU)")

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c = self.config
        self.codec = TokenCodec(self.graph, c.width, c.edge_width)
        self.layers = nn.ModuleList(
            NeuronLayer(self.codec.edge_names, c.width, c.heads, c.edge_width, c.gated)
            for _ in range(c.layers)
        )

    def hidden_matrices(self) -> list[nn.Parameter]:
        layers = (layer for layer in self.layers if isinstance(layer, NeuronLayer))
        return [matrix for layer in layers for matrix in layer.matrices()]

    def backbone(self, graph: WeightGraph, unit: Tensor, time: Tensor) -> Tensor:
        tokens, edges = self.codec.encode(graph, unit)
        tokens = tokens + time.unsqueeze(1)
        places = self.codec.places(graph)
        for layer in self.layers:
            tokens, edges = layer(tokens, edges, places, time)
        return self.codec.decode(graph, tokens, edges)
