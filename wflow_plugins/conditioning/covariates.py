"""Covariates of networks as columns of numbers.

A number stands for itself, a category for its index among the categories; NaN stands for unknown.
Shapes: N networks, M networks of the zoo, K covariates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wflow_core.errors import DataError, suggest
from wflow_core.interfaces.zoo import Covariate
from wflow_core.weights import WeightSet

ConditionValues = Mapping[str, float | str]
"""Wanted values by the name of the covariate: a number, or a category."""
NEAREST_FRACTION = 0.1
"""Fraction of nearest zoo networks that fill unspecified conditions."""


@dataclass(frozen=True)
class CovariateColumns:
    """The covariates that a flow is conditioned on, in the order of their columns."""

    covariates: tuple[Covariate, ...]

    def __len__(self) -> int:
        return len(self.covariates)

    @property
    def unknown(self) -> Tensor:
        """``[K]``: no covariate is known."""
        return torch.full((len(self),), math.nan)

    def to_tensor(self, networks: WeightSet) -> Tensor:
        """``[N, K]`` of networks with these covariates.

        Raises:
            DataError: they lack one, or it has other categories.
        """
        for covariate in self.covariates:
            found = networks.covariates.get(covariate.name)
            names = networks.categories.get(covariate.name)
            if found is None or names != covariate.categories:
                has = "no such covariate" if found is None else f"the categories {names}"
                raise DataError(
                    f"the covariate {covariate.name!r} of the zoo should have the categories "
                    f"{covariate.categories} (None: numbers), and the zoo has {has}; its source "
                    "must collect what it lists in `covariates`"
                )
        device = networks.weights.device
        columns = [networks.covariates[c.name].to(device, torch.float32) for c in self.covariates]
        table = torch.stack(columns, 1) if columns else torch.empty(len(networks), 0)
        for k, covariate in enumerate(self.covariates):
            if covariate.categories is not None:
                table[:, k].masked_fill_(table[:, k] < 0, math.nan)
        return table

    def encode(self, wanted: ConditionValues) -> dict[int, float]:
        """Column -> number, of wanted values.

        Raises:
            DataError: there is no such covariate, or it cannot have that value.
        """
        names = [covariate.name for covariate in self.covariates]
        for name in wanted:
            if name not in names:
                raise DataError(
                    f"the flow is not conditioned on {name!r}{suggest(name, names)}; it is on "
                    f"{', '.join(names)}"
                ).at("condition", name)
        return {
            names.index(name): encode_value(self.covariates[names.index(name)], value)
            for name, value in wanted.items()
        }

    def cond_vector(self, wanted: ConditionValues) -> Tensor:
        """``[K]``: wanted values, of which there must be all or none.

        Raises:
            DataError: as ``encode``, or some values are missing.
        """
        numbers, vector = self.encode(wanted), self.unknown
        missing = [c.name for k, c in enumerate(self.covariates) if k not in numbers]
        if wanted and missing:
            raise DataError(
                f"the condition lacks a value of {', '.join(missing)}: give all or none"
            )
        for column, number in numbers.items():
            vector[column] = number
        return vector

    def sample(
        self, wanted: ConditionValues, zoo: Tensor, n: int, generator: torch.Generator
    ) -> Tensor:
        """``[n, K]``: wanted values; the others as networks of the zoo have them together.

        Args:
            zoo: ``[M, K]``. The other values are those of networks with the wanted categories, and
                of these, where numbers are wanted, of the nearest tenth.

        Raises:
            DataError: as ``encode``, or no network of the zoo has these categories.
        """
        numbers = self.encode(wanted)
        rows = zoo.new_empty(n, len(self))
        if len(numbers) < len(self):
            matching = self._nearest_matching(numbers, zoo)
            index = torch.randint(len(matching), (n,), generator=generator, device=generator.device)
            rows = zoo[matching[index]]
        for column, number in numbers.items():
            rows[:, column] = number
        return rows

    def _nearest_matching(self, numbers: Mapping[int, float], zoo: Tensor) -> Tensor:
        """Indices of the zoo's networks that have wanted categories and are near wanted numbers."""
        kept, distance = zoo.new_ones(len(zoo), dtype=torch.bool), zoo.new_zeros(len(zoo))
        for column, number in numbers.items():
            own = zoo[:, column]
            if self.covariates[column].categories is not None:
                kept &= own == number
            else:
                spread = own[own.isfinite()].std(correction=0).clamp_min(1e-12)
                distance += ((own - number) / spread).square().nan_to_num(math.inf)
        index = kept.nonzero().squeeze(1)
        if not len(index):
            raise DataError(
                "no network of the zoo has these categories together, so that the other "
                "covariates are undetermined; give a value of each"
            )
        if not any(self.covariates[column].categories is None for column in numbers):
            return index
        return index[distance[index].argsort()[: math.ceil(NEAREST_FRACTION * len(index))]]

    def annotate(self, networks: WeightSet, cond: Tensor) -> WeightSet:
        """Networks with their conditions ``[N, K]`` as covariates."""
        covariates: dict[str, Tensor] = {}
        for covariate, column in zip(self.covariates, cond.T, strict=True):
            known = covariate.categories is not None
            covariates[covariate.name] = column.nan_to_num(-1).long() if known else column.clone()
        named = {c.name: c.categories for c in self.covariates if c.categories is not None}
        return replace(networks, covariates=covariates, categories=named)


def encode_value(covariate: Covariate, value: float | str) -> float:
    """A value as it is in the column of its covariate.

    Raises:
        DataError: it is no category of the covariate, or no finite number.
    """
    name, categories = covariate.name, covariate.categories
    if categories is None:
        if isinstance(value, str) or not math.isfinite(value):
            problem = f"{name!r} is a finite number; got {value!r}"
            raise DataError(problem).at("condition", name)
        return float(value)
    whole = isinstance(value, float) and value.is_integer()
    if (category := str(int(value) if whole else value)) not in categories:
        guess = suggest(category, categories)
        problem = f"{name!r} is one of {', '.join(categories)}; got {value!r}{guess}"
        raise DataError(problem).at("condition", name)
    return float(categories.index(category))
