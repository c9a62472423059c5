"""Conditioning on covariates of the zoo's networks, such as their loss or their source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import DataError, suggest
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.condition import Condition
from wflow_core.interfaces.needs import CONDITIONS
from wflow_core.interfaces.solver import VectorField
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet
from wflow_plugins.conditioning.covariates import CovariateColumns
from wflow_plugins.conditioning.embedding import ConditionEmbedding


class Covariates(Condition):
    """Numbers and categories that the zoo knows of each network, with classifier-free guidance.

    The guided field is ``v_uncond + w (v_cond - v_uncond)``; w = 1 is the conditional field.

    Source: Ho & Salimans 2022 (arXiv 2207.12598).

    Raises:
        DataError: the zoo has no such covariate, or one is named twice.
    """

    class Config(Options):
        names: tuple[str, ...] = Field(
            min_length=1, description="covariates of the zoo: numbers or categories"
        )
        p_uncond: float = Field(
            0.1,
            ge=0,
            lt=1,
            description="fraction of pairs trained on without conditions, for classifier-free "
            "guidance and densities without condition",
        )
        renamed: ClassVar[Mapping[str, str]] = {"records": "names", "drop": "p_uncond"}

    needs = frozenset({CONDITIONS})

    def __init__(self, zoo: ZooSource, **options: Any):
        super().__init__(zoo, **options)
        offered = {covariate.name: covariate for covariate in zoo.covariates}
        for i, name in enumerate(self.config.names):
            if name not in offered:
                raise DataError(
                    f"{zoo!r} has no covariate {name!r}{suggest(name, offered)}; its covariates: "
                    f"{', '.join(offered) or 'none'}"
                ).at("names", i)
            if name in self.config.names[:i]:
                raise DataError(f"the covariate {name!r} is named twice").at("names", i)
        self.columns = CovariateColumns(tuple(offered[name] for name in self.config.names))
        self.discrete = all(of.categories is not None for of in self.columns.covariates)

    def of_networks(self, networks: WeightSet) -> Tensor:
        return self.columns.to_tensor(networks)

    def drop(self, cond: Tensor, generator: torch.Generator) -> Tensor:
        """All covariates of a pair are dropped together."""
        out = torch.rand(len(cond), 1, generator=generator, device=generator.device)
        return cond.masked_fill(out < self.config.p_uncond, math.nan)

    def embedding(self, width: int) -> ConditionEmbedding:
        return ConditionEmbedding(self.columns, width)

    def check_request(self, wanted: Mapping[str, Any], scale: float) -> None:
        self.columns.encode(wanted)
        if scale != 1 and not self.config.p_uncond:
            raise DataError(
                f"guidance_scale {scale:g} needs the flow to be trained without conditions, too; "
                "set condition.p_uncond above 0"
            ).at("guidance_scale")

    def sample(
        self,
        wanted: Mapping[str, Any],
        n: int,
        zoo: Callable[[], WeightSet],
        scale: float,
        generator: torch.Generator,
    ) -> Tensor:
        numbers = self.columns.encode(wanted)
        if not scale:
            return self.columns.unknown.to(generator.device).expand(n, -1)
        if len(numbers) == len(self.columns):
            return self.columns.cond_vector(wanted).to(generator.device).expand(n, -1)
        return self.columns.sample(wanted, self.of_networks(zoo()), n, generator)

    def field(
        self, fields: Callable[[Tensor], VectorField], cond: Tensor, scale: float
    ) -> VectorField:
        """Velocities are combined at one point, where both are tangent, and where predicted
        endpoints are projected, after each is: what is integrated is a field of the manifold."""
        if scale == 1:
            return fields(cond)
        unconditional = fields(torch.full_like(cond, torch.nan))
        if scale == 0:
            return unconditional
        conditional = fields(cond)
        return lambda t, x: torch.lerp(unconditional(t, x), conditional(t, x), scale)

    def annotate(self, networks: WeightSet, cond: Tensor) -> WeightSet:
        return self.columns.annotate(networks, cond)
