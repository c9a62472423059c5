"""Test outputs that metrics share: the same numbers, and each population is evaluated once."""

from __future__ import annotations

import pytest
import torch
from plugin_support import tiny
from wflow_core.assembly.assembly import Assembly

from wflow_core.assembly.assemble import assemble
from wflow_core.networks import outputs as module
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.specs.spec import spec_from_text
from wflow_core.weights import WeightSet
from wflow_plugins.evaluation.evaluation import measure
from wflow_plugins.evaluation.test_output_cache import Outputs

METRICS = "[task_score, model_average, calibration, diversity, disagreement, wrong_iou]"


def assembled(metrics: str = METRICS) -> Assembly:
    return assemble(spec_from_text(tiny(metrics=metrics)))


def drawn(a: Assembly, n: int, seed: int = 0) -> WeightSet:
    weights = a.architecture.initialize(n, torch.Generator().manual_seed(seed))
    return WeightSet.from_module(a.architecture.template, weights)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many networks each evaluation was of."""
    made: list[int] = []
    call = BatchedNetworks.__call__

    def counted(self: BatchedNetworks, weights: torch.Tensor, *of: object) -> torch.Tensor:
        made.append(len(weights))
        return call(self, weights, *of)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchedNetworks, "__call__", counted)
    return made


def test_metrics_of_a_task_evaluate_a_population_once(calls: list[int]) -> None:
    a = assembled()
    zoo = drawn(a, 7)
    for n in (5, 4, 3, 6):
        samples = drawn(a, n, n)
        measure(a.metrics, samples, zoo)
        measure(a.metrics, samples, zoo, relative=True)
    assert sorted(calls) == [3, 4, 5, 6, 7]


def test_they_measure_what_each_would_measure_alone() -> None:
    a = assembled()
    zoo, samples = drawn(a, 6), drawn(a, 5, 1)
    for metric in a.metrics:
        alone = type(metric)(a.task, a.architecture).measure(samples, zoo)
        assert str(metric.measure(samples, zoo)) == str(alone)


def test_another_task_has_its_own() -> None:
    here, there = "task_score", "{type: task_score, task: {type: breast_cancer, split_seed: 3}}"
    first, second = assembled(f"[{here}, {there}]").metrics
    assert first.outputs is not second.outputs


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch, calls: list[int]) -> None:
    a = assembled()
    outputs, zoo = Outputs(a.task, a.architecture), drawn(a, 4)
    monkeypatch.setattr(module, "MOST", outputs(zoo).nbytes)
    outputs(zoo)
    assert calls == [4]
    outputs(drawn(a, 1))
    outputs(zoo)
    assert calls == [4, 1, 4]
