"""Measuring samples beside the zoo and beside the nulls.

A metric gives numbers for one population of networks. Those of the zoo, the samples and each null
stand under ``zoo``, ``samples`` and ``nulls.<name>``; where canonicalizers moved the zoo, those of
the zoo as it was collected stand under ``collected``. Comparisons of the samples with the zoo
stand at the top. In each, what is measured on another task than the run's stands under the name of
that task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.metric import Density, Metric, Numbers
from wflow_core.measures.novelty import Distances
from wflow_core.measures.null_context import NullContext, NullMakers
from wflow_core.measures.nulls import make_nulls
from wflow_core.weights import WeightSet
from wflow_core.weights.stored import asking


@dataclass
class Evaluation:
    """What was measured.

    Attributes:
        numbers: the content of ``metrics.json``, but for the seconds of the stages.
        values: ``{"samples/accuracy": [n], ...}``, what was measured of each network.
    """

    numbers: Numbers = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)

    def add(self, found: Numbers, *path: str) -> None:
        """Take in numbers under a path of names."""
        own = self.numbers
        for name in path:
            own = own.setdefault(name, {})
        _merge(own, summary(found))
        self.values |= values_of(found, path or ("samples",))


def evaluate(
    metrics: Sequence[Metric],
    makers: NullMakers,
    zoo: WeightSet,
    samples: WeightSet,
    generator: torch.Generator,
    report: Report = silent,
    collected: WeightSet | None = None,
    density: Density | None = None,
) -> Evaluation:
    """Measure all populations.

    Args:
        makers: of the nulls; of which each is as many networks as the samples.
        collected: the zoo before canonicalizers moved it, where they did.
        density: of the flow, for metrics that look at it.
    """
    distances = Distances(makers.architecture.bound_symmetry, zoo)
    context = NullContext(makers, zoo, samples, distances, generator)
    nulls = make_nulls(context) if metrics else {}
    total, found = len(nulls) + 2, Evaluation()
    for name, of_zoo in {"zoo": zoo, "collected": collected}.items():
        if of_zoo is not None:
            found.add(measure(metrics, of_zoo, zoo, density=density, of_zoo=True), name)
    report(1, total)
    found.add(measure(metrics, samples, zoo, density=density), "samples")
    found.add(measure(metrics, samples, zoo, True, density))
    report(2, total)
    found.numbers["nulls"] = {}
    for done, (name, (networks, seconds)) in enumerate(nulls.items(), start=3):
        found.add(measure(metrics, networks, zoo, density=density), "nulls", name)
        found.add(measure(metrics, networks, zoo, True, density), "nulls", name)
        found.add({"seconds": seconds}, "nulls", name)
        report(done, total)
    return found


def measure(
    metrics: Sequence[Metric],
    networks: WeightSet,
    zoo: WeightSet,
    relative: bool = False,
    density: Density | None = None,
    of_zoo: bool = False,
) -> Numbers:
    """The merged numbers of the metrics that compare with the zoo, or of those that do not.

    Args:
        of_zoo: the networks are the zoo's: a density is only taken of held-out ones.
    """
    found: Numbers = {}
    for metric in metrics:
        if metric.relative != relative:
            continue
        with asking(repr(metric)):
            if metric.density and density:
                population = density.unseen(networks) if of_zoo else networks
                numbers = metric.measure_under(density, population, zoo)
            else:
                numbers = metric.measure(networks, zoo)
        numbers = {metric.under: numbers} if metric.under else numbers
        if twice := clash(found, numbers):
            raise UnsupportedError(f"{metric} measures {twice!r}, as another metric does already")
        _merge(found, numbers)
    return found


def clash(found: Numbers, more: Numbers) -> str | None:
    """The first name whose number both hold."""
    for name in (n for n in found if n in more):
        both = found[name], more[name]
        if not all(isinstance(value, dict) for value in both):
            return str(name)
        if inner := clash(*both):
            return f"{name}.{inner}"
    return None


def summary(found: Any) -> Any:
    """Numbers as JSON: a tensor as mean and standard deviation, what is not finite as null."""
    if isinstance(found, dict):
        return {name: summary(value) for name, value in found.items()}
    if isinstance(found, Tensor):
        std = found.std().item() if len(found) > 1 else math.nan  # one alone has no spread
        return summary({"mean": found.mean().item(), "std": std})
    return None if isinstance(found, float) and not math.isfinite(found) else found


def values_of(found: Any, path: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors among numbers, by their path joined with ``/``."""
    if isinstance(found, Tensor):
        return {"/".join(path): found.detach()}
    if not isinstance(found, dict):
        return {}
    inner = [values_of(value, (*path, name)) for name, value in found.items()]
    return {name: tensor for of in inner for name, tensor in of.items()}


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
