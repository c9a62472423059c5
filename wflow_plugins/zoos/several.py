"""A zoo of several: one weight set of networks from different sources."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from pydantic import Field

from wflow_core.conditions import Record
from wflow_core.errors import DataError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options, Report, silent
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.specs.components import TaskSlot
from wflow_core.weights import WeightSet
from wflow_core.weights.pieces import join

SOURCE = "source"
PIECES = 100
"""Parts of the progress that each source makes up."""


class Several(ZooSource):
    """Networks of several zoos, each perhaps with a ``task`` of its own, in one basis.

    The record ``source`` says which zoo a network is of, by its name; other records are kept where
    all zoos have them. Whatever follows is of all networks together: one canonicalizer, one codec,
    one flow, which ``condition: [source]`` makes one of each zoo. ``retrain`` makes as many
    networks of each.

    Args:
        sources: name -> zoo, at least one; a spec names them by the option ``zoos``.
    """

    class Config(Options):
        zoos: dict[str, TaskSlot] = Field(
            {}, description="name -> a zoo with its options, and perhaps with a `task` of its own"
        )

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        sources: Mapping[str, ZooSource] | None = None,
        **options: Any,
    ):
        super().__init__(task, architecture, **options)
        if not sources:
            raise DataError("it is made of no zoo; name some: {zoos: {a: {type: train}, ...}}")
        self.sources = dict(sources)
        self.offers = frozenset.intersection(*(of.offers for of in self.sources.values()))
        self._provenance: list[dict[str, Any]] | None = None

    @property
    def fingerprint(self) -> str | None:
        own = {name: of.fingerprint for name, of in self.sources.items()}
        if not any(own.values()):
            return None
        return hashlib.sha256(repr(sorted(own.items())).encode()).hexdigest()

    def provenance(self) -> list[dict[str, Any]] | None:
        return self._provenance

    @property
    def records(self) -> tuple[Record, ...]:
        first, *others = (of.records for of in self.sources.values())
        shared = (r for r in first if all(r in of for of in others) and r.name != SOURCE)
        return (Record(SOURCE, tuple(self.sources)), *shared)

    def collect(self, generator: torch.Generator, report: Report = silent) -> WeightSet:
        sets, total = [], PIECES * len(self.sources)
        for done, of in enumerate(self.sources.values()):
            sets.append(of.collect(generator, _part(report, PIECES * done, total)))
            report(PIECES * (done + 1), total)
        self._provenance = self._all_provenance([len(s) for s in sets])
        return self._whole(sets)

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        size, more = divmod(n, len(self.sources))
        counts = [size + (i < more) for i in range(len(self.sources))]
        made = [
            of.retrain(count, generator) if count else None
            for count, of in zip(counts, self.sources.values(), strict=True)
        ]
        return self._whole([one for one in made if one is not None])

    def _whole(self, sets: list[WeightSet]) -> WeightSet:
        """All networks, runs of different sources apart, each with its source."""
        shared = [r for r in self.records[1:] if all(r.name in s.records for s in sets)]
        named = {r.name: r.categories for r in shared if r.categories is not None}
        started, runs, noted = all(s.initial is not None for s in sets), 0, []
        for place, one in enumerate(sets):
            run = torch.unique(one.run, return_inverse=True)[1] + runs
            source = torch.full_like(one.run, place, dtype=torch.int64)
            records = {SOURCE: source} | {r.name: one.records[r.name] for r in shared}
            initial = one.initial if started else None
            noted.append(replace(one, run=run, records=records, initial=initial))
            runs = int(run.max()) + 1
        return replace(join(noted), categories={SOURCE: tuple(self.sources)} | named)

    def _all_provenance(self, sizes: list[int]) -> list[dict[str, Any]] | None:
        """Of every source, its rows counted through all."""
        found, start = [], 0
        for (name, of), size in zip(self.sources.items(), sizes, strict=True):
            for one in of.provenance() or []:
                rows = {"rows": [start + r for r in one["rows"]]} if "rows" in one else {}
                found.append(one | {SOURCE: name} | rows)
            start += size
        return found or None


def _part(report: Report, start: int, total: int) -> Report:
    """A report of part of the work, whose steps count from ``start``."""

    def part(step: int, of: int, **values: float) -> None:
        report(max(1, start + PIECES * step // of), total, **values)

    return part
