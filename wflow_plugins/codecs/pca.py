"""Principal components of the zoo's weights.

Shapes: B networks, N networks of the zoo, P weights, M parts, R directions that the zoo spans, K of
them kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.weights import WeightSet
from wflow_plugins.codecs import frames
from wflow_plugins.codecs.components import learn
from wflow_plugins.codecs.slices import of_parts, whole
from wflow_plugins.streaming.codec import StreamedCodec
from wflow_plugins.streaming.columns import Block, Columns, InMemoryColumns

HELD = ("mean", "scale", "directions")


class Pca(StreamedCodec):
    """Coordinates along the directions in which the zoo's networks differ most.

    Components come from the N x N matrix of inner products of the centred networks, which is summed
    in float64 over blocks of columns in one pass, so that networks need not fit into memory.
    ``decode`` reaches the span of the components alone. With ``residual``, new networks also get
    noise off the components, in each part of the weights as large as what the components leave
    of the zoo there; they keep their coordinates.

    Source: Turk & Pentland 1991 for the small matrix; Tipping & Bishop 1999 for the noise.
    """

    class Config(Options):
        components: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)] = Field(
            16,
            description="number of components; or, below 1 or as 1.0, the fraction of the variance "
            "that they hold at least",
        )
        whiten: bool = Field(True, description="give each coordinate variance 1 over the zoo")
        standardize: frames.Standardize = Field(
            "none",
            description="divide weights by a standard deviation before: their part's, or each "
            "weight's own",
        )
        residual: bool = Field(
            False, description="new networks get noise for what the components leave out"
        )

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(architecture, **options)
        c, symmetry = self.config, architecture.symmetry
        self.size = symmetry.layout.size
        by_part = c.residual or c.standardize == "part"
        self.slices = of_parts(symmetry) if by_part else whole(self.size)
        self.learned: dict[str, Tensor] = {}
        self.zoo: Columns | None = None
        if isinstance(c.components, int) and c.components > self.size:
            raise UnsupportedError(
                f"codec pca: {c.components} components of networks with {self.size} weights; lower "
                "codec.components"
            )

    @property
    def dim(self) -> int | None:
        """K; for a fraction of the variance, None until fitted."""
        if isinstance(self.config.components, int):
            return self.config.components
        return self.learned["coordinates"].shape[1] if self.learned else None

    @property
    def explained_variance_ratio(self) -> Tensor:
        """``[K]``: the variance along each component, over that of all weights."""
        return self.learned["variances"][: self.dim] / self.learned["total"]

    @property
    def coordinates(self) -> Tensor:
        """``[N, D]`` of the zoo that it was fitted to, known without reading it again."""
        return self.learned["coordinates"] / self._units(self.learned["coordinates"])

    def fit(self, zoo: WeightSet) -> None:
        self.fit_columns(InMemoryColumns(zoo.weights))
        held = self._frame()
        assert isinstance(held, frames.ZooFrame)
        self.learned |= dict(zip(HELD, held.held().tensors(), strict=True))
        self.zoo = None

    def fit_columns(self, zoo: Columns) -> None:
        self._refuse_other(zoo)
        c = self.config
        self.learned = learn(zoo, self.slices, c.components, c.standardize, c.residual)
        self.zoo = zoo

    def attach(self, zoo: Columns) -> None:
        self._refuse_other(zoo)
        n = len(self.learned["coordinates"])
        if zoo.rows != n:
            raise DataError(f"codec pca: it was fitted to {n} networks; got {zoo.rows}")
        self.zoo = zoo

    def encode(self, weights: Tensor) -> Tensor:
        along = self._frame().encode(weights)
        return along / self._units(along)

    def decode(self, coordinates: Tensor) -> Tensor:
        return self._frame().decode(coordinates * self._units(coordinates))

    @torch.no_grad()
    def decode_stochastic(self, coordinates: Tensor, generator: torch.Generator) -> Tensor:
        return torch.cat([block for _, block in self.decode_columns(coordinates, generator)], 1)

    def encode_columns(self, networks: Columns) -> Tensor:
        self._refuse_other(networks)
        along = frames.encode(self._frame(), networks)
        return (along / self._units(along)).to(networks.dtype)

    def decode_columns(
        self, coordinates: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Block]:
        noise, along = None, coordinates.double() * self._units(coordinates).double()
        if generator and self.config.residual:
            noise = frames.Noise(self.learned["left_out"], self.slices, generator)
        for start, block in frames.decode(self._frame(), along, noise):
            yield start, block.to(coordinates.dtype)

    def state(self) -> dict[str, Tensor]:
        return dict(self.learned)

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.learned, self.zoo = dict(state), None

    def _units(self, like: Tensor) -> Tensor:
        """``[K]``: the length of one unit of each coordinate."""
        if not self.config.whiten:
            return like.new_ones(like.shape[-1])
        return self.learned["variances"][: like.shape[-1]].sqrt().to(like)

    def _frame(self) -> frames.Frame:
        found = self.learned
        if "directions" in found:
            return frames.HeldFrame(*(found[name] for name in HELD))
        if self.zoo is None:
            raise DataError("codec pca: its directions are made of the zoo's networks; attach them")
        tensors = found["combinations"], found["scales"]
        return frames.ZooFrame(self.zoo, *tensors, self.slices, self.config.standardize)

    def _refuse_other(self, networks: Columns) -> None:
        if networks.size != self.size:
            raise DataError(
                f"codec pca: networks of {networks.size} weights; the architecture has {self.size}"
            )
