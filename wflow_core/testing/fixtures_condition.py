"""A small condition for contract tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.condition import Condition
from wflow_core.interfaces.needs import CONDITIONS
from wflow_core.interfaces.solver import VectorField
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet


class SmallEmbedding(nn.Module):
    """Adds a nonlinear function of the conditions, NaN where unknown, to the time."""

    mean: Tensor

    def __init__(self, count: int, width: int):
        super().__init__()
        self.count = count
        self.register_buffer("mean", torch.zeros(count))
        self.map = nn.Sequential(nn.Linear(2 * count, width), nn.Tanh(), nn.Linear(width, width))

    def forward(self, time: Tensor, cond: Tensor | None = None) -> Tensor:
        """``time [B, W]``, ``cond [B, K] -> [B, W]``."""
        if cond is None:
            cond = time.new_full((len(time), self.count), torch.nan)
        unknown = cond.isnan()
        known = (cond - self.mean).masked_fill(unknown, 0)
        mapped: Tensor = self.map(torch.cat([known, unknown.to(known)], 1).to(time))
        return time + mapped

    def fit(self, cond: Tensor) -> None:
        self.mean.copy_(cond.nanmean(0))


class SmallCondition(Condition):
    """Covariates of the zoo as numbers; NaN stands for unknown."""

    class Config(Options):
        names: tuple[str, ...] = ("loss", "kind")

    needs = frozenset({CONDITIONS})

    def __init__(self, zoo: ZooSource, **options: Any):
        super().__init__(zoo, **options)
        categories = {of.name: of.categories for of in zoo.covariates}
        self.discrete = all(categories[name] is not None for name in self.config.names)

    def of_networks(self, networks: WeightSet) -> Tensor:
        columns = [networks.covariates[name] for name in self.config.names]
        cond = torch.stack([column.float() for column in columns], 1)
        return cond.masked_fill(cond < 0, torch.nan)

    def drop(self, cond: Tensor, generator: torch.Generator) -> Tensor:
        out = torch.rand(len(cond), 1, generator=generator, device=generator.device) < 0.1
        return cond.masked_fill(out, torch.nan)

    def embedding(self, width: int) -> SmallEmbedding:
        return SmallEmbedding(len(self.config.names), width)

    def check_request(self, wanted: Mapping[str, Any], scale: float) -> None:
        if unknown := wanted.keys() - set(self.config.names):
            raise DataError(f"the small condition has no {sorted(unknown)}")

    def sample(
        self,
        wanted: Mapping[str, Any],
        n: int,
        zoo: Callable[[], WeightSet],
        scale: float,
        generator: torch.Generator,
    ) -> Tensor:
        self.check_request(wanted, scale)
        known = self.of_networks(zoo())
        index = torch.randint(len(known), (n,), generator=generator, device=generator.device)
        cond = known[index]
        for column, name in enumerate(self.config.names):
            if name in wanted:
                cond[:, column] = float(wanted[name])
        return cond

    def field(
        self, fields: Callable[[Tensor], VectorField], cond: Tensor, scale: float
    ) -> VectorField:
        without, given = fields(torch.full_like(cond, torch.nan)), fields(cond)
        return lambda t, x: torch.lerp(without(t, x), given(t, x), scale)

    def annotate(self, networks: WeightSet, cond: Tensor) -> WeightSet:
        return networks
