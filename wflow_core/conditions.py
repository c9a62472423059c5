"""What flows are conditioned on: records of the zoo's networks, as columns of numbers.

A number stands for itself, a category for its place among the categories; NaN says that nothing is
given. Shapes: N networks, M networks of the zoo, K records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.registry import suggest
from wflow_core.weights import WeightSet

Wanted = Mapping[str, float | str]
"""What is asked for, by the name of the record: a number, or a category."""

CLOSE = 0.1
"""Of the zoo's networks that could stand for a number that is asked for: the closest tenth."""


@dataclass(frozen=True)
class Record:
    """What a zoo knows of each of its networks.

    Attributes:
        categories: the names of its values; None where they are numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None

    def number(self, value: float | str) -> float:
        """A value as it stands in the column of this record.

        Raises:
            DataError: it is no category of the record, or no finite number.
        """
        if self.categories is None:
            if isinstance(value, str) or not math.isfinite(value):
                raise DataError(f"{self.name!r} is a finite number; got {value!r}")
            return float(value)
        whole = isinstance(value, float) and value.is_integer()
        if (named := str(int(value) if whole else value)) not in self.categories:
            guess = suggest(named, self.categories)
            raise DataError(
                f"{self.name!r} is one of {', '.join(self.categories)}; got {value!r}{guess}"
            )
        return float(self.categories.index(named))


@dataclass(frozen=True)
class Conditions:
    """The records that a flow is conditioned on, in the order of their columns.

    Attributes:
        drop: fraction of pairs that it is trained on without any.
    """

    records: tuple[Record, ...] = ()
    drop: float = 0.0

    def __len__(self) -> int:
        return len(self.records)

    @property
    def null(self) -> Tensor:
        """``[K]``: nothing is given."""
        return torch.full((len(self),), math.nan)

    def columns(self, networks: WeightSet) -> Tensor:
        """``[N, K]`` of networks that have these records.

        Raises:
            DataError: they lack one, or know it by other categories.
        """
        for record in self.records:
            found = networks.records.get(record.name)
            names = networks.categories.get(record.name)
            if found is None or names != record.categories:
                has = "no such record" if found is None else f"the categories {names}"
                raise DataError(
                    f"the record {record.name!r} of the zoo should have the categories "
                    f"{record.categories} (None: numbers), and the zoo has {has}; its source must "
                    "collect what it says in `records`"
                )
        device = networks.weights.device
        columns = [networks.records[r.name].to(device, torch.float32) for r in self.records]
        table = torch.stack(columns, 1) if columns else torch.empty(len(networks), 0)
        for k, record in enumerate(self.records):
            if record.categories is not None:
                table[:, k].masked_fill_(table[:, k] < 0, math.nan)
        return table

    def numbers(self, wanted: Wanted) -> dict[int, float]:
        """Column -> number, of what is asked for.

        Raises:
            DataError: there is no such record, or it cannot have that value.
        """
        names = [record.name for record in self.records]
        for name in wanted:
            if name not in names:
                raise DataError(
                    f"the flow is not conditioned on {name!r}{suggest(name, names)}; it is on "
                    f"{', '.join(names) or 'nothing: `condition` of the spec names records'}"
                )
        return {names.index(name): self.records[names.index(name)].number(v)
                for name, v in wanted.items()}  # fmt: skip

    def row(self, wanted: Wanted) -> Tensor:
        """``[K]``: what is asked for, which must be all or nothing.

        Raises:
            DataError: as ``numbers``, or some records are missing.
        """
        numbers, row = self.numbers(wanted), self.null
        missing = [r.name for k, r in enumerate(self.records) if k not in numbers]
        if wanted and missing:
            raise DataError(f"a value of {', '.join(missing)} is wanted, too: all or none")
        for column, number in numbers.items():
            row[column] = number
        return row

    def draw(self, wanted: Wanted, zoo: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """``[n, K]``: what is asked for; the rest as networks of the zoo have it, all of one.

        Args:
            zoo: ``[M, K]``. The rest is that of networks that have the categories asked for, and
                of these, where numbers are asked for, of the closest tenth.

        Raises:
            DataError: as ``numbers``, or no network of the zoo has these categories.
        """
        numbers = self.numbers(wanted)
        rows = zoo.new_empty(n, len(self))
        if len(numbers) < len(self):
            like = self._like(numbers, zoo)
            index = torch.randint(len(like), (n,), generator=generator, device=generator.device)
            rows = zoo[like[index]]
        for column, number in numbers.items():
            rows[:, column] = number
        return rows

    def _like(self, numbers: Mapping[int, float], zoo: Tensor) -> Tensor:
        """Places of the zoo's networks that are like what is asked for."""
        kept, distance = zoo.new_ones(len(zoo), dtype=torch.bool), zoo.new_zeros(len(zoo))
        for column, number in numbers.items():
            own = zoo[:, column]
            if self.records[column].categories is not None:
                kept &= own == number
            else:
                spread = own[own.isfinite()].std(correction=0).clamp_min(1e-12)
                distance += ((own - number) / spread).square().nan_to_num(math.inf)
        places = kept.nonzero().squeeze(1)
        if not len(places):
            raise DataError(
                "no network of the zoo has these categories together, so that nothing says what "
                "the other records should be; ask for a value of each"
            )
        if not any(self.records[column].categories is None for column in numbers):
            return places
        return places[distance[places].argsort()[: math.ceil(CLOSE * len(places))]]


UNCONDITIONAL = Conditions()
"""Nothing."""
