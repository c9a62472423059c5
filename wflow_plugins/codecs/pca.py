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
from wflow_plugins.codecs import basis
from wflow_plugins.codecs.components import fit_components
from wflow_plugins.codecs.part_blocks import part_offsets, single_part
from wflow_plugins.streaming.codec import StreamedCodec
from wflow_plugins.streaming.columns import Block, Columns, InMemoryColumns

BASIS_TENSORS = ("mean", "scale", "directions")


class Pca(StreamedCodec):
    """Coordinates along the directions of largest variance in the zoo.

    Components are computed from the N x N Gram matrix of the centred networks, which is summed in
    float64 over blocks of columns in one pass, so networks need not fit into memory. ``decode``
    returns weights in the span of the components. With ``residual``, new networks also get noise
    orthogonal to the components, in each part with the standard deviation of the zoo's residual.

    Source: Turk & Pentland 1991 for the Gram matrix; Tipping & Bishop 1999 for the noise.
    """

    class Config(Options):
        components: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)] = Field(
            16,
            description="number of components; or, below 1 or as 1.0, the minimum fraction of the "
            "variance that they explain",
        )
        whiten: bool = Field(True, description="scale each coordinate to variance 1 over the zoo")
        standardize: basis.Standardize = Field(
            "none",
            description="divide weights first by a standard deviation: that of their part, or each "
            "weight's own",
        )
        residual: bool = Field(
            False, description="add noise with the variance of the residual to new networks"
        )

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(architecture, **options)
        c, symmetry = self.config, architecture.symmetry
        self.size = symmetry.layout.size
        by_part = c.residual or c.standardize == "part"
        self.offsets = part_offsets(symmetry) if by_part else single_part(self.size)
        self.learned: dict[str, Tensor] = {}
        self.zoo: Columns | None = None
        if isinstance(c.components, int) and c.components > self.size:
            raise UnsupportedError(
                f"codec pca: {c.components} components of networks with {self.size} weights; "
                "reduce codec.components"
            )

    @property
    def dim(self) -> int | None:
        """K; for a fraction of the variance, None until fitted."""
        if isinstance(self.config.components, int):
            return self.config.components
        return self.learned["coordinates"].shape[1] if self.learned else None

    @property
    def explained_variance_ratio(self) -> Tensor:
        """``[K]``: the fraction of the total variance along each component."""
        return self.learned["variances"][: self.dim] / self.learned["total"]

    @property
    def coordinates(self) -> Tensor:
        """``[N, D]``: coordinates of the zoo, without reading it again."""
        return self.learned["coordinates"] / self._coordinate_scales(self.learned["coordinates"])

    def fit(self, zoo: WeightSet) -> None:
        self.fit_columns(InMemoryColumns(zoo.weights))
        streamed = self._basis()
        assert isinstance(streamed, basis.StreamedBasis)
        self.learned |= dict(zip(BASIS_TENSORS, streamed.load().tensors(), strict=True))
        self.zoo = None

    def fit_columns(self, zoo: Columns) -> None:
        self._check_size(zoo)
        c = self.config
        self.learned = fit_components(zoo, self.offsets, c.components, c.standardize, c.residual)
        self.zoo = zoo

    def attach(self, zoo: Columns) -> None:
        self._check_size(zoo)
        n = len(self.learned["coordinates"])
        if zoo.rows != n:
            raise DataError(f"codec pca: fitted to {n} networks, attached to {zoo.rows}")
        self.zoo = zoo

    def encode(self, weights: Tensor) -> Tensor:
        coordinates = self._basis().encode(weights)
        return coordinates / self._coordinate_scales(coordinates)

    def decode(self, coordinates: Tensor) -> Tensor:
        return self._basis().decode(coordinates * self._coordinate_scales(coordinates))

    @torch.no_grad()
    def decode_stochastic(self, coordinates: Tensor, generator: torch.Generator) -> Tensor:
        return torch.cat([block for _, block in self.decode_columns(coordinates, generator)], 1)

    def encode_columns(self, networks: Columns) -> Tensor:
        self._check_size(networks)
        coordinates = basis.encode(self._basis(), networks)
        return (coordinates / self._coordinate_scales(coordinates)).to(networks.dtype)

    def decode_columns(
        self, coordinates: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Block]:
        scales, noise = self._coordinate_scales(coordinates), None
        if generator and self.config.residual:
            noise = basis.ResidualNoise(self.learned["left_out"], self.offsets, generator)
        scaled = coordinates.double() * scales.double()
        for start, block in basis.decode(self._basis(), scaled, noise):
            yield start, block.to(coordinates.dtype)

    def state(self) -> dict[str, Tensor]:
        return dict(self.learned)

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.learned, self.zoo = dict(state), None

    def _coordinate_scales(self, like: Tensor) -> Tensor:
        """``[K]``: the length of a unit of each coordinate; 1 without ``whiten``."""
        if not self.config.whiten:
            return like.new_ones(like.shape[-1])
        return self.learned["variances"][: like.shape[-1]].sqrt().to(like)

    def _basis(self) -> basis.Basis:
        learned = self.learned
        if "directions" in learned:
            return basis.InMemoryBasis(*(learned[name] for name in BASIS_TENSORS))
        if self.zoo is None:
            raise DataError(
                "codec pca: its directions are computed from the zoo; attach the zoo's networks"
            )
        tensors = learned["combinations"], learned["scales"]
        return basis.StreamedBasis(self.zoo, *tensors, self.offsets, self.config.standardize)

    def _check_size(self, networks: Columns) -> None:
        if networks.size != self.size:
            raise DataError(
                f"codec pca: got networks with {networks.size} weights; the architecture has "
                f"{self.size}"
            )
