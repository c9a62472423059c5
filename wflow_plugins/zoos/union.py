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
STEPS_PER_SOURCE = 100
"""Steps of the progress per source."""


class Union(ZooSource):
    """The networks of several zoos, each with an optional ``task`` of its own.

    The covariate ``source`` is the name of a network's zoo; other covariates are kept if all zoos
    have them. All networks share canonicalizers, codec and flow; a condition on ``source`` selects
    the networks of one zoo. ``retrain`` trains equally many networks of each zoo.
    """

    class Config(Options):
        zoos: dict[str, Annotated[Any, Slot("zoo")]] = Field(
            min_length=1,
            description="name -> a zoo with its options, and optionally a `task` of its own",
        )

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(task, architecture, **options)
        self.sources: dict[str, ZooSource] = dict(self.config.zoos)
        self.offers = frozenset.intersection(*(source.offers for source in self.sources.values()))
        self._provenance: list[dict[str, Any]] | None = None

    def provenance(self) -> list[dict[str, Any]] | None:
        return self._provenance

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        first, *others = (source.covariates for source in self.sources.values())
        shared = (r for r in first if all(r in other for other in others) and r.name != SOURCE)
        return (Covariate(SOURCE, tuple(self.sources)), *shared)

    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        zoos, total = [], STEPS_PER_SOURCE * len(self.sources)
        for number, source in enumerate(self.sources.values()):
            source_progress = _sub_progress(progress, STEPS_PER_SOURCE * number, total)
            zoos.append(source.collect(generator, source_progress))
            progress(STEPS_PER_SOURCE * (number + 1), total)
        self._provenance = self._all_provenance([len(s) for s in zoos])
        return self._concat(zoos)

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        size, remainder = divmod(n, len(self.sources))
        counts = [size + (i < remainder) for i in range(len(self.sources))]
        zoos = [
            source.retrain(count, generator) if count else None
            for count, source in zip(counts, self.sources.values(), strict=True)
        ]
        return self._concat([zoo for zoo in zoos if zoo is not None])

    def _concat(self, zoos: list[WeightSet]) -> WeightSet:
        """All networks with their source, and runs numbered over all sources."""
        shared = [r for r in self.covariates[1:] if all(r.name in s.covariates for s in zoos)]
        categories = {r.name: r.categories for r in shared if r.categories is not None}
        has_initial, num_runs, renumbered = all(s.initial is not None for s in zoos), 0, []
        for number, zoo in enumerate(zoos):
            run = torch.unique(zoo.run, return_inverse=True)[1] + num_runs
            source = torch.full_like(zoo.run, number, dtype=torch.int64)
            covariates = {SOURCE: source} | {r.name: zoo.covariates[r.name] for r in shared}
            initial = zoo.initial if has_initial else None
            renumbered.append(replace(zoo, run=run, covariates=covariates, initial=initial))
            num_runs = int(run.max()) + 1
        return replace(concat(renumbered), categories={SOURCE: tuple(self.sources)} | categories)

    def _all_provenance(self, sizes: list[int]) -> list[dict[str, Any]] | None:
        """The provenance of every source, with rows counted over all sources."""
        entries, start = [], 0
        for (name, source), size in zip(self.sources.items(), sizes, strict=True):
            for entry in source.provenance() or []:
                rows = {"rows": [start + r for r in entry["rows"]]} if "rows" in entry else {}
                entries.append(entry | {SOURCE: name} | rows)
            start += size
        return entries or None


def _sub_progress(progress: ProgressCallback, start: int, total: int) -> ProgressCallback:
    """The progress of one source, as steps of the total progress from ``start`` on."""

    def part(step: int, part_total: int, **values: float) -> None:
        progress(max(1, start + STEPS_PER_SOURCE * step // part_total), total, **values)

    return part
