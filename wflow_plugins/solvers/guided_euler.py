"""The Euler method with noise, for stochastic sampling of guided flows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, SolverOptions, VectorField


class GuidedEuler(Solver):
    """The Euler method with noise after the steps in a window of time.

    A step of length h is followed by ``exp_x(noise sqrt(|h|) z)``, z standard normal in the tangent
    space: the Euler-Maruyama method on a manifold. No score compensates the noise, so it increases
    the variance of samples; a window that ends before 1 lets the field reduce it again. Without
    noise, the result is that of `euler`. Guidance is part of the field, with any solver.
    """

    class Config(SolverOptions):
        noise: float = Field(
            0.0, ge=0, description="standard deviation of the noise per unit of time"
        )
        noise_start: float = Field(0.0, ge=0, le=1, description="time at which noise begins")
        noise_end: float = Field(1.0, ge=0, le=1, description="time at which noise ends")
        renamed: ClassVar[Mapping[str, str]] = {
            "noise_from": "noise_start",
            "noise_to": "noise_end",
        }

        @model_validator(mode="after")
        def _window_in_order(self) -> Self:
            if self.noise_start > self.noise_end:
                raise ValueError(
                    f"noise_start {self.noise_start} lies after noise_end {self.noise_end}; "
                    "swap them"
                )
            return self

    @property
    def stochastic(self) -> bool:
        return self.config.noise > 0

    def steps(
        self,
        field: VectorField,
        x: Tensor,
        grid: Tensor,
        manifold: Manifold,
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        device = generator.device if generator else x.device
        for (t, later), scale in zip(pairwise(grid), self._noise_scales(grid), strict=True):
            x = manifold.expmap(x, (later - t) * field(t, x))
            if scale:
                noise = torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype)
                x = manifold.expmap(x, manifold.proju(x, scale * noise.to(x.device)))
            yield later, x

    def _noise_scales(self, grid: Tensor) -> list[float]:
        """The noise scale of each step: nonzero if the midpoint of the step is in the window.

        Computed at once, so that the loop never waits for the device.
        """
        o = self.config
        if not o.noise:
            return [0.0] * (len(grid) - 1)
        inside = [o.noise_start <= 0.5 * (a + b) <= o.noise_end for a, b in pairwise(grid.tolist())]
        lengths = [abs(b - a) for a, b in pairwise(grid.tolist())]
        return [o.noise * math.sqrt(h) * active for h, active in zip(lengths, inside, strict=True)]
