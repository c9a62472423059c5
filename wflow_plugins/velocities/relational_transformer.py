"""The Relational Transformer over the graph of a network's weights.

Shapes: B batch, W width.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator
from torch import Tensor, nn

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_core.symmetry import Symmetry
from wflow_plugins.velocities.relational_layer import RelationalLayer
from wflow_plugins.velocities.relational_tokens import RelationalCodec
from wflow_plugins.velocities.standardized import Standardized, TimeEmbedding


class RelationalTransformer(Velocity):
    """Attention along the weights of a network, over all its units; commutes with permutations.

    Units are nodes, biases among their features, and weights edges with a state of their own that
    each layer updates. Only edges that are there are attended to, as dense bipartite blocks: no
    scatter, no padding, no N x N. Time reaches every node and every edge, at the start and, for
    nodes, through adaptive normalisation of each layer. Sources: Diao & Loynd 2023 (arXiv
    2210.05062), on weights Kofinas et al. 2024 (arXiv 2403.12143).
    """

    class Config(Options):
        width: int = Field(64, ge=1, description="width of a node and of an edge")
        layers: int = Field(5, ge=1, description="attention layers")
        heads: int = Field(1, ge=1, description="attention heads; divide the width")

        @model_validator(mode="after")
        def _heads_divide(self) -> RelationalTransformer.Config:
            if self.width % self.heads:
                raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
            return self

    needs = frozenset({"symmetry"})

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        assert space.symmetry is not None  # by `needs`
        c = self.config
        self.time = TimeEmbedding(c.width)
        self.scales = Standardized(space, c.width)
        self.codec = RelationalCodec(space.symmetry.graph, c.width)
        self.layers = nn.ModuleList(RelationalLayer(c.width, c.heads) for _ in range(c.layers))

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        graph = (symmetry or self.space.symmetry).graph  # type: ignore[union-attr]
        time, unit = self.time(t), self.scales.encode(x, symmetry)
        nodes, edges = self.codec.encode(graph, unit, time)
        ends = [graph.blocks[name].groups for name in self.codec.edge_names]
        for layer in self.layers:
            nodes, edges = layer(nodes, edges, ends, time)
        return self.scales.decode(self.codec.decode(graph, nodes, edges), unit, time, symmetry)

    def standardize(self, x0: Tensor, x1: Tensor) -> None:
        self.scales.fit(x0, x1)

    def displacement_scale(self) -> Tensor:
        return self.scales.displacement()
