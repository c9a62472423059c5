"""Measuring samples beside the zoo and beside the nulls.

A metric gives numbers for one population of networks. Those of the zoo, the samples and each null
stand under ``zoo``, ``samples`` and ``nulls.<name>``; comparisons of the samples with the zoo
stand at the top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.metric import Metric, Numbers
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.novelty import Distances
from wflow_core.nulls import NullContext, make_nulls
from wflow_core.weights import WeightSet


def evaluate(
    metrics: Sequence[Metric],
    architecture: Architecture,
    source: ZooSource,
    zoo: WeightSet,
    samples: WeightSet,
    generator: torch.Generator,
    report: Report = silent,
) -> Numbers:
    """The content of ``metrics.json``, but for the seconds of the stages."""
    distances = Distances(architecture.bound_symmetry, zoo)
    context = NullContext(architecture, source, zoo, samples, distances, generator)
    nulls = make_nulls(context) if metrics else {}
    total = len(nulls) + 2
    found: Numbers = {"zoo": measure(metrics, zoo, zoo)}
    report(1, total)
    found["samples"] = measure(metrics, samples, zoo)
    report(2, total)
    found |= measure(metrics, samples, zoo, relative=True)
    found["nulls"] = {}
    for done, (name, (networks, seconds)) in enumerate(nulls.items(), start=3):
        of_null = measure(metrics, networks, zoo) | measure(metrics, networks, zoo, relative=True)
        found["nulls"][name] = of_null | {"seconds": seconds}
        report(done, total)
    finite: Numbers = _finite(found)
    return finite


def measure(
    metrics: Sequence[Metric], networks: WeightSet, zoo: WeightSet, relative: bool = False
) -> Numbers:
    """The merged numbers of the metrics that compare with the zoo, or of those that do not."""
    found: Numbers = {}
    for metric in metrics:
        if metric.relative == relative:
            _merge(found, metric.measure(networks, zoo))
    return found


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    if isinstance(value, dict):
        return {name: _finite(v) for name, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
