"""Test outputs that metrics share: the same numbers, and each population is evaluated once."""

from __future__ import annotations

import weakref

import pytest
import torch
from plugin_support import tiny

from wflow_core.assembly.assemble import assemble
from wflow_core.interfaces.components import Components
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.specs.spec import spec_from_text
from wflow_core.weights import WeightSet
from wflow_plugins.evaluation import test_output_cache
from wflow_plugins.evaluation.evaluation import Measuring
from wflow_plugins.evaluation.test_output_cache import TestOutputCache

METRICS = "[task_score, model_average, calibration, diversity, disagreement, error_iou]"


def assembled(metrics: str = METRICS) -> Components:
    return assemble(spec_from_text(tiny(metrics=metrics)))


def drawn(c: Components, n: int, seed: int = 0) -> WeightSet:
    weights = c.architecture.initialize(n, torch.Generator().manual_seed(seed))
    return WeightSet.from_module(c.architecture.template, weights)


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
    c = assembled()
    zoo = drawn(c, 7)
    measuring = Measuring(c.metrics, [""] * len(c.metrics), zoo)
    for n in (5, 4, 3, 6):
        samples = drawn(c, n, n)
        measuring.of_networks(samples)
        measuring.beside_zoo(samples)
    assert sorted(calls) == [3, 4, 5, 6, 7]


def test_they_measure_what_each_would_measure_alone() -> None:
    c = assembled()
    zoo, samples = drawn(c, 6), drawn(c, 5, 1)
    for metric in c.metrics:
        alone = type(metric)(c.task, c.architecture).measure(samples, zoo)
        assert str(metric.measure(samples, zoo)) == str(alone)


def test_another_task_has_its_own() -> None:
    here, there = "task_score", "{type: task_score, task: {type: breast_cancer, split_seed: 3}}"
    c = assembled(f"[{here}, {there}]")
    first, second = c.metrics
    networks = drawn(c, 3)
    assert first.test_outputs.func is second.test_outputs.func
    for metric in (first, second, first):
        test = metric.task.splits["test"].x
        outputs = c.architecture.batched(networks.weights, test)
        assert torch.equal(metric.test_outputs(networks), outputs)
    assert not torch.equal(first.test_outputs(networks), second.test_outputs(networks))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch, calls: list[int]) -> None:
    c = assembled()
    cache, zoo, other = TestOutputCache(), drawn(c, 4), drawn(c, 1)
    size = cache(c.task, c.architecture, zoo).nbytes
    monkeypatch.setattr(test_output_cache, "MAX_BYTES", size)
    cache(c.task, c.architecture, zoo)
    assert calls == [4]
    cache(c.task, c.architecture, other)
    cache(c.task, c.architecture, zoo)
    assert calls == [4, 1, 4]


def test_populations_are_not_kept_in_memory(calls: list[int]) -> None:
    c = assembled()
    cache, zoo, samples = TestOutputCache(), drawn(c, 4), drawn(c, 3)
    known = weakref.ref(samples.weights)
    for networks in (zoo, samples, zoo):
        cache(c.task, c.architecture, networks)
    del samples, networks
    assert known() is None
    cache(c.task, c.architecture, zoo)
    assert calls == [4, 3]
