"""The Euler method with noise: what stochastic samplers of guided flows use."""

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
    """The Euler method whose steps in a window of time are followed by noise.

    After a step of length h comes ``exp_x(noise sqrt(|h|) z)``, z standard normal in the tangent
    space: the Euler-Maruyama method on a manifold. The noise is not balanced by a score, so it
    widens the samples; end the window before 1 for the field to draw them back. Without noise,
    the very result of `euler`. A guidance is part of the field that any solver integrates.
    """

    class Config(SolverOptions):
        noise: float = Field(0.0, ge=0, description="standard deviation of noise over unit time")
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
        for (t, later), scale in zip(pairwise(grid), self._scales(grid), strict=True):
            x = manifold.expmap(x, (later - t) * field(t, x))
            if scale:
                drawn = torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype)
                x = manifold.expmap(x, manifold.proju(x, scale * drawn.to(x.device)))
            yield later, x

    def _scales(self, grid: Tensor) -> list[float]:
        """The noise of each step: of those whose middle lies in the window, whatever the rounding
        of the grid. Taken once, so that the loop never waits for the device."""
        o = self.config
        if not o.noise:
            return [0.0] * (len(grid) - 1)
        inside = [o.noise_start <= 0.5 * (a + b) <= o.noise_end for a, b in pairwise(grid.tolist())]
        lengths = [abs(b - a) for a, b in pairwise(grid.tolist())]
        return [o.noise * math.sqrt(h) * ok for h, ok in zip(lengths, inside, strict=True)]
