from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from wflow_plugins.baselines.making import make_nulls

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.baseline import NullContext, NullMakers
from wflow_core.symmetry import GroupElement
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.canonicalizers.relu_sphere import ReluSphere
from wflow_plugins.evaluation.evaluation import evaluate, measure
from wflow_plugins.matching.distances import Distances
from wflow_plugins.metrics.model_average import ModelAverage
from wflow_plugins.metrics.novelty import Novelty
from wflow_plugins.metrics.task_score import TaskScore
from wflow_plugins.tasks.breast_cancer import BreastCancer
from wflow_plugins.zoos.train import Train

TASK = BreastCancer()
MLP = Mlp(TASK.signature, hidden=[6, 5])
SYMMETRY = MLP.symmetry


@pytest.fixture(scope="module")
def source() -> Train:
    return Train(TASK, MLP, networks=60, epochs=10)


@pytest.fixture(scope="module")
def zoo(source: Train) -> WeightSet:
    return source.collect(torch.Generator().manual_seed(0))


def permuted(networks: WeightSet, seed: int = 0) -> WeightSet:
    e = SYMMETRY.random(len(networks), torch.Generator().manual_seed(seed))
    return replace(networks, weights=SYMMETRY.act(networks.weights, GroupElement(e.perm)))


def novelty(samples: WeightSet, zoo: WeightSet) -> dict[str, float]:
    return Novelty(TASK, MLP).measure(samples, zoo)["novelty"]


def test_a_permuted_copy_is_not_new(zoo: WeightSet) -> None:
    assert novelty(permuted(zoo[:20]), zoo)["nearest_ratio"] < 1e-4


def test_retrained_networks_are_as_new_as_the_zoo(source: Train, zoo: WeightSet) -> None:
    again = source.retrain(40, torch.Generator().manual_seed(5))
    found = novelty(permuted(again), zoo)
    assert found["nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert found["spread_ratio"] == pytest.approx(1, abs=0.1)


def test_one_network_many_times_has_no_spread(zoo: WeightSet) -> None:
    same = permuted(zoo[torch.zeros(20, dtype=torch.int64)])
    assert novelty(same, zoo)["spread_ratio"] < 1e-4


def test_ones_own_run_is_left_out(zoo: WeightSet) -> None:
    later = replace(zoo, weights=zoo.weights + 1e-3, step=zoo.step + 1)
    both = concat([zoo, later])
    alone, doubled = Distances(SYMMETRY, zoo), Distances(SYMMETRY, both)
    assert doubled.zoo_nearest(60).mean() > 0.9 * alone.zoo_nearest(60).mean()
    kept_in = doubled.nearest(zoo.weights[:5])
    assert kept_in.max() < 1e-4


def test_nulls_are_as_many_as_the_samples_and_what_they_say(source: Train, zoo: WeightSet) -> None:
    samples = source.retrain(16, torch.Generator().manual_seed(9))
    distances = Distances(SYMMETRY, zoo)
    context = NullContext(
        NullMakers(MLP, source), zoo, samples, distances, torch.Generator().manual_seed(1)
    )
    nulls = make_nulls(context)
    assert list(nulls) == [
        "untrained",
        "zoo_noise",
        "interpolation",
        "soup",
        "gaussian",
        "retrained",
    ]
    assert {len(networks) for networks, _ in nulls.values()} == {16}
    score = {n: TaskScore(TASK, MLP).measure(s, zoo)["loss"].mean() for n, (s, _) in nulls.items()}
    of_zoo = TaskScore(TASK, MLP).measure(zoo, zoo)["loss"].mean().item()
    assert score["retrained"] == pytest.approx(of_zoo, rel=0.15)
    assert score["untrained"] > 1.5 * of_zoo
    assert score["zoo_noise"] > of_zoo
    far = {n: distances.nearest(s.weights).mean().item() for n, (s, _) in nulls.items()}
    assert far["zoo_noise"] == pytest.approx(
        distances.nearest(samples.weights).mean().item(), rel=0.3
    )
    assert far["interpolation"] < far["soup"] < far["retrained"]
    fit = nulls["gaussian"][0].weights
    torch.testing.assert_close(fit.mean(0), distances.aligned.mean(0), atol=0.35, rtol=0)


def test_model_average_averages_probabilities(zoo: WeightSet) -> None:
    found = ModelAverage(TASK, MLP).measure(zoo, zoo)["model_average"]
    test = TASK.splits["test"]
    probabilities = MLP.batched(zoo.weights, test.x).softmax(-1).mean(0)
    right = (probabilities.argmax(-1) == test.y).float().mean().item()
    loss = -probabilities.gather(1, test.y.unsqueeze(1)).log().mean().item()
    assert found["accuracy"] == pytest.approx(right)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)


def test_on_spheres_retrained_networks_are_as_new_as_the_zoo(source: Train, zoo: WeightSet) -> None:
    spheres = ReluSphere(MLP)
    canonical = spheres.transform(zoo)
    fresh = spheres.transform(source.retrain(16, torch.Generator().manual_seed(9)))
    g = torch.Generator().manual_seed(1)
    makers = NullMakers(MLP, source, canonicalizers=[spheres])
    found = evaluate([Novelty(TASK, MLP)], makers, canonical, fresh, g)
    retrained = found.numbers["nulls"]["retrained"]["novelty"]
    assert retrained["nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert retrained["spread_ratio"] == pytest.approx(1, abs=0.1)


def test_two_metrics_of_one_name_are_refused(source: Train, zoo: WeightSet) -> None:
    with pytest.raises(UnsupportedError, match="'accuracy', as another metric"):
        measure([TaskScore(TASK, MLP), TaskScore(TASK, MLP)], zoo, zoo)
