"""The union of several zoos: one weight set of networks from different sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options, ProgressCallback, Slot, no_progress
from wflow_core.interfaces.task import Task
from wflow_core.interfaces.zoo import Covariate, ZooSource
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat

SOURCE = "source"
PARTS = 100
"""Parts of the progress that each source makes up."""


class Union(ZooSource):
    """Networks of several zoos, each perhaps with a ``task`` of its own, in one basis.

    The covariate ``source`` is the name of a network's zoo; other covariates are kept where all
    zoos have them. What follows is of all networks together: one canonicalizer, one codec, one
    flow, which a condition on ``source`` makes one of each zoo. ``retrain`` trains as many networks
    of each.
    """

    class Config(Options):
        zoos: dict[str, Annotated[Any, Slot("zoo")]] = Field(
            min_length=1,
            description="name -> a zoo with its options, and perhaps with a `task` of its own",
        )

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(task, architecture, **options)
        self.sources: dict[str, ZooSource] = dict(self.config.zoos)
        self.offers = frozenset.intersection(*(of.offers for of in self.sources.values()))
        self._provenance: list[dict[str, Any]] | None = None

    def provenance(self) -> list[dict[str, Any]] | None:
        return self._provenance

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        first, *others = (of.covariates for of in self.sources.values())
        shared = (r for r in first if all(r in of for of in others) and r.name != SOURCE)
        return (Covariate(SOURCE, tuple(self.sources)), *shared)

    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        sets, total = [], PARTS * len(self.sources)
        for done, of in enumerate(self.sources.values()):
            sets.append(of.collect(generator, _part(progress, PARTS * done, total)))
            progress(PARTS * (done + 1), total)
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
        shared = [r for r in self.covariates[1:] if all(r.name in s.covariates for s in sets)]
        named = {r.name: r.categories for r in shared if r.categories is not None}
        started, runs, noted = all(s.initial is not None for s in sets), 0, []
        for place, one in enumerate(sets):
            run = torch.unique(one.run, return_inverse=True)[1] + runs
            source = torch.full_like(one.run, place, dtype=torch.int64)
            covariates = {SOURCE: source} | {r.name: one.covariates[r.name] for r in shared}
            initial = one.initial if started else None
            noted.append(replace(one, run=run, covariates=covariates, initial=initial))
            runs = int(run.max()) + 1
        return replace(concat(noted), categories={SOURCE: tuple(self.sources)} | named)

    def _all_provenance(self, sizes: list[int]) -> list[dict[str, Any]] | None:
        """Of every source, its rows counted through all."""
        found, start = [], 0
        for (name, of), size in zip(self.sources.items(), sizes, strict=True):
            for one in of.provenance() or []:
                rows = {"rows": [start + r for r in one["rows"]]} if "rows" in one else {}
                found.append(one | {SOURCE: name} | rows)
            start += size
        return found or None


def _part(progress: ProgressCallback, start: int, total: int) -> ProgressCallback:
    """A progress of part of the work, whose steps count from ``start``."""

    def part(step: int, of: int, **values: float) -> None:
        progress(max(1, start + PARTS * step // of), total, **values)

    return part
