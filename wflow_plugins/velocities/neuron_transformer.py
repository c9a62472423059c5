"""A transformer whose tokens are the units of free groups.

Shapes: B batch, T tokens, n units of a group, W width, E edge width, F features.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator
from torch import Tensor, nn

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_core.symmetry import Symmetry
from wflow_plugins.velocities.neuron_layer import NeuronLayer
from wflow_plugins.velocities.neuron_tokens import TokenCodec
from wflow_plugins.velocities.standardized import Standardized, TimeEmbedding


class NeuronTransformer(Velocity):
    """Commutes with every permutation of free units, exactly, and runs at any of their numbers.

    A unit is a token. Its weights to anchored groups (inputs, classes) are its features, through
    a plain linear map; only weights between two free groups are edges. Time enters by adaptive
    normalisation; the output starts at zero. Compare DiT (arXiv 2212.09748) for the
    normalisation and Diao & Loynd 2023 (arXiv 2210.05062) for attention with edges.
    """

    class Config(Options):
        width: int = Field(64, ge=1, description="width of a token")
        layers: int = Field(4, ge=1, description="attention layers")
        heads: int = Field(4, ge=1, description="attention heads; divide the width")
        edge_width: int = Field(16, ge=1, description="width of the state of an edge")

        @model_validator(mode="after")
        def _heads_divide(self) -> NeuronTransformer.Config:
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
        self.codec = TokenCodec(space.symmetry.graph, c.width, c.edge_width)
        self.layers = nn.ModuleList(
            NeuronLayer(self.codec.edge_names, c.width, c.heads, c.edge_width)
            for _ in range(c.layers)
        )

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        graph = (symmetry or self.space.symmetry).graph  # type: ignore[union-attr]
        time, unit = self.time(t), self.scales.encode(x, symmetry)
        tokens, edges = self.codec.encode(graph, unit)
        tokens = tokens + time.unsqueeze(1)
        places = self.codec.places(graph)
        for layer in self.layers:
            tokens, edges = layer(tokens, edges, places, time)
        return self.scales.decode(self.codec.decode(graph, tokens, edges), unit, time, symmetry)

    def standardize(self, x0: Tensor, x1: Tensor) -> None:
        self.scales.fit(x0, x1)

    def displacement_scale(self) -> Tensor:
        return self.scales.displacement()
