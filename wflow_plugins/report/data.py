"""The data of a report: a finished run, its numbers and its networks.

Shapes: n values of a population, one a network or a pair of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from wflow_core.interfaces.components import Components
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import is_lazy
from wflow_plugins.evaluation.populations import populations
from wflow_plugins.metrics.task_score import TaskScore
from wflow_plugins.report.numbers import as_number, lookup
from wflow_plugins.stages.trained_flow import NetworkFlow

POPULATIONS = ("samples", "zoo", "collected")
"""Those that are no baselines."""
LOSS = "loss"
LOWER_IS_BETTER = (LOSS, "error", "mse", "rmse", "mae", "nll", "brier", "ece")
"""Names of scores, used where no untrained networks were measured."""


@dataclass(frozen=True)
class RunData:
    """A finished run.

    Attributes:
        spec_text: the resolved spec, as it is in the folder.
        metrics: ``metrics.json``, reduced to finite numbers.
        history: the validations of training, in their order.
        values: ``{"samples/accuracy": [n], ...}``, what was measured of each network.
    """

    flow: NetworkFlow
    spec_text: str
    metrics: dict[str, Any]
    record: dict[str, Any]
    history: list[dict[str, float]]
    values: dict[str, Tensor]

    @property
    def components(self) -> Components:
        return self.flow.components

    @cached_property
    def samples(self) -> WeightSet:
        return self.flow.samples

    @cached_property
    def zoo(self) -> WeightSet:
        """The networks, of the samples' architecture, that the samples are compared with."""
        return populations(self.flow.run, self.flow.sampled, self.samples).zoo

    @property
    def exceeds_memory(self) -> bool:
        """Whether networks stay in files, as the run had a memory budget."""
        return any(is_lazy(networks.weights) for networks in (self.samples, self.zoo))

    @cached_property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The numbers of each population by name: samples, zoo, collected, then baselines.

        Comparisons with the zoo are among those of the samples; seconds are those of making them.
        """
        others = {*POPULATIONS, "baselines", "seconds"}
        beside_zoo = {name: of for name, of in self.metrics.items() if name not in others}
        rows = {name: dict(_group(self.metrics, name)) for name in POPULATIONS}
        rows["samples"] |= beside_zoo
        rows = {name: row for name, row in rows.items() if row or name in self.metrics}
        seconds = _group(self.metrics, "seconds")
        of_zoo = "reference" if "reference" in seconds else "collect"
        for name, stage in (("samples", "sample"), ("zoo", of_zoo)):
            if name in rows and stage in seconds:
                rows[name]["seconds"] = seconds[stage]
        baselines = _group(self.metrics, "baselines").items()
        return rows | {
            name: row
            for name, row in baselines
            if isinstance(row, dict) and name not in POPULATIONS
        }

    @property
    def cheap_baselines(self) -> list[str]:
        """Measured baselines that no training made."""
        known = self.components.baselines
        return [name for name in self.numbers if name in known and not known[name].trained]

    def per_network(self, population: str, *path: str) -> Tensor | None:
        """``[n]``: the values of a population; None where nothing was measured of each network."""
        start = population if population in POPULATIONS else f"baselines/{population}"
        found = self.values.get("/".join((start, *path)))
        return found if found is not None and found.ndim == 1 and len(found) else None

    def mean(self, population: str, *path: str) -> float | None:
        """A number of a population; the mean where it was measured of each network."""
        found = lookup(self.numbers.get(population, {}), *path)
        return as_number(lookup(found, "mean") if isinstance(found, dict) else found)

    @cached_property
    def scores(self) -> list[str]:
        """Scores of single networks: the task's main score first, the loss last."""
        names = [n for n in self.numbers.get("samples", {}) if self._is_per_network(n)]
        averaged = lookup(self.metrics, "samples", "model_average")
        if isinstance(averaged, dict) and (known := [n for n in names if n in averaged]):
            names = known
        return sorted(names, key=lambda name: (name == LOSS, name not in TaskScore.columns))

    def _is_per_network(self, name: str) -> bool:
        found = self.per_network("samples", name), self.per_network("zoo", name)
        return all(
            of is not None and len(of) == len(networks)
            for of, networks in zip(found, (self.samples, self.zoo), strict=True)
        )

    def sign(self, score: str) -> int:
        """1 where a higher score is better, else -1.

        Determined by the zoo beside untrained networks, or else by the name of the score.
        """
        zoo, untrained = self.mean("zoo", score), self.mean("untrained", score)
        if score != LOSS and zoo is not None and untrained is not None and zoo != untrained:
            return 1 if zoo > untrained else -1
        return -1 if score.lower() in LOWER_IS_BETTER else 1


def _group(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
