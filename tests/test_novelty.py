from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from plugin_support import tiny

from wflow_core.assembly.assemble import assemble
from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.specs.spec import spec_from_text
from wflow_core.symmetry import GroupElement
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat
from wflow_plugins.evaluation.baselines import make_baselines
from wflow_plugins.evaluation.evaluation import Measuring, evaluate
from wflow_plugins.evaluation.populations import Populations
from wflow_plugins.matching.distances import ZooDistances
from wflow_plugins.metrics.model_average import ModelAverage
from wflow_plugins.metrics.novelty import Novelty
from wflow_plugins.metrics.task_score import TaskScore


def assembled(**lines: str) -> Components:
    network = {"architecture": "{type: mlp, hidden: [6, 5]}"}
    zoo = {"zoo": "{type: train, networks: 60, epochs: 10}"}
    return assemble(spec_from_text(tiny(**network, **zoo, **lines)))


PLAIN = assembled()
TASK, MLP = PLAIN.task, PLAIN.architecture
SYMMETRY = MLP.symmetry


@pytest.fixture(scope="module")
def source() -> ZooSource:
    return PLAIN.zoo


@pytest.fixture(scope="module")
def zoo(source: ZooSource) -> WeightSet:
    return source.collect(torch.Generator().manual_seed(0))


def permuted(networks: WeightSet, seed: int = 0) -> WeightSet:
    e = SYMMETRY.random(len(networks), torch.Generator().manual_seed(seed))
    return replace(networks, weights=SYMMETRY.act(networks.weights, GroupElement(e.perm)))


def novelty(samples: WeightSet, zoo: WeightSet) -> dict[str, float]:
    return Novelty(TASK, MLP).measure(samples, zoo)["novelty"]


def test_a_permuted_copy_is_not_new(zoo: WeightSet) -> None:
    assert novelty(permuted(zoo[:20]), zoo)["nearest_ratio"] < 1e-4


def test_retrained_networks_are_as_new_as_the_zoo(source: ZooSource, zoo: WeightSet) -> None:
    again = source.retrain(40, torch.Generator().manual_seed(5))
    found = novelty(permuted(again), zoo)
    assert found["nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert found["spread_ratio"] == pytest.approx(1, abs=0.1)


def test_one_network_many_times_has_no_spread(zoo: WeightSet) -> None:
    same = permuted(zoo[torch.zeros(20, dtype=torch.int64)])
    assert novelty(same, zoo)["spread_ratio"] < 1e-4


def test_one_network_alone_has_a_distance_to_the_zoo_and_no_spread(zoo: WeightSet) -> None:
    found = novelty(permuted(zoo[:1]), zoo)
    assert found["nearest_ratio"] < 1e-4
    assert math.isnan(found["spread_ratio"])


def test_ones_own_run_is_left_out(zoo: WeightSet) -> None:
    later = replace(zoo, weights=zoo.weights + 1e-3, step=zoo.step + 1)
    both = concat([zoo, later])
    alone, doubled = ZooDistances(SYMMETRY, zoo), ZooDistances(SYMMETRY, both)
    assert doubled.zoo_nearest_distances(60).mean() > 0.9 * alone.zoo_nearest_distances(60).mean()
    kept_in = doubled.nearest_distances(zoo.weights[:5])
    assert kept_in.max() < 1e-4


def test_baselines_are_as_many_as_the_samples_and_what_they_say(
    source: ZooSource, zoo: WeightSet
) -> None:
    samples = source.retrain(16, torch.Generator().manual_seed(9))
    distances = ZooDistances(SYMMETRY, zoo)
    generator = torch.Generator().manual_seed(1)
    made = {name: of for name, of, _ in make_baselines(PLAIN, samples, zoo, generator)}
    assert list(made) == [
        "untrained",
        "zoo_noise",
        "interpolation",
        "soup",
        "gaussian",
        "retrained",
    ]
    assert {len(networks) for networks in made.values()} == {16}
    score = {n: TaskScore(TASK, MLP).measure(s, zoo)["loss"].mean() for n, s in made.items()}
    of_zoo = TaskScore(TASK, MLP).measure(zoo, zoo)["loss"].mean().item()
    assert score["retrained"] == pytest.approx(of_zoo, rel=0.15)
    assert score["untrained"] > 1.5 * of_zoo
    assert score["zoo_noise"] > of_zoo
    far = {n: distances.nearest_distances(s.weights).mean().item() for n, s in made.items()}
    assert far["zoo_noise"] == pytest.approx(
        distances.nearest_distances(samples.weights).mean().item(), rel=0.3
    )
    assert far["interpolation"] < far["soup"] < far["retrained"]
    fit = made["gaussian"].weights
    torch.testing.assert_close(fit.mean(0), distances.aligned.mean(0), atol=0.35, rtol=0)


def test_model_average_averages_probabilities(zoo: WeightSet) -> None:
    found = ModelAverage(TASK, MLP).measure(zoo, zoo)["model_average"]
    test = TASK.splits["test"]
    probabilities = MLP.batched(zoo.weights, test.x).softmax(-1).mean(0)
    right = (probabilities.argmax(-1) == test.y).float().mean().item()
    loss = -probabilities.gather(1, test.y.unsqueeze(1)).log().mean().item()
    assert found["accuracy"] == pytest.approx(right)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)


def test_on_spheres_retrained_networks_are_as_new_as_the_zoo(
    source: ZooSource, zoo: WeightSet
) -> None:
    spheres = assembled(canonicalizers="[relu_sphere]", manifold="relu_sphere", metrics="[novelty]")
    (canonicalizer,) = spheres.canonicalizers
    canonical = canonicalizer.transform(zoo)
    fresh = canonicalizer.transform(source.retrain(16, torch.Generator().manual_seed(9)))
    generator = torch.Generator().manual_seed(1)
    found = evaluate(spheres, spheres.metrics, Populations(fresh, canonical), generator)
    retrained = found.numbers["baselines"]["retrained"]["novelty"]
    assert retrained["nearest_ratio"] == pytest.approx(1, abs=0.1)
    assert retrained["spread_ratio"] == pytest.approx(1, abs=0.1)


def test_two_metrics_of_one_name_are_refused(zoo: WeightSet) -> None:
    twice = Measuring([TaskScore(TASK, MLP), TaskScore(TASK, MLP)], ["", ""], zoo)
    with pytest.raises(UnsupportedError, match="'accuracy', as another metric"):
        twice.of_networks(zoo)
