from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, strategies as st
from matching_support import copied

from wflow_core.interfaces.task import Split
from wflow_core.testing.fixtures import small_network, small_task, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.loss_barrier import LossBarrier
from wflow_plugins.metrics.pairs import draw_pairs
from wflow_plugins.metrics.weight_distance import WeightDistance


def copies() -> WeightSet:
    """Six permuted copies of one network, each its own run."""
    network = small_network()
    w = small_zoo().weights[:1].double().expand(6, -1)
    return WeightSet.from_module(network.template, copied(network.symmetry, w, seed=1))


@given(n=st.integers(0, 40), count=st.integers(1, 60), seed=st.integers(0, 9))
def test_pairs_are_distinct_and_all_where_few(n: int, count: int, seed: int) -> None:
    i, j = draw_pairs(n, count, seed, torch.device("cpu"))
    assert len(i) == min(count, n * (n - 1) // 2)
    assert (i != j).all()
    assert len({frozenset(p) for p in zip(i.tolist(), j.tolist(), strict=True)}) == len(i)


def test_the_barrier_is_loss_at_the_midpoint_minus_the_mean_of_the_ends() -> None:
    network, task, zoo = small_network(), small_task(), small_zoo(runs=2, snapshots=1)
    found = LossBarrier(task, network).measure(zoo, zoo)["loss_barrier"]["as_is"]
    w, test = zoo.weights, task.splits["test"]
    path = torch.stack([w[0], w[1], (w[0] + w[1]) / 2])
    a, b, middle = task.objective.score(network.batched(path, test.x), test.y)["loss"]
    torch.testing.assert_close(found, (middle - (a + b) / 2).unsqueeze(0))


def test_copies_have_a_barrier_as_they_are_and_none_when_matched() -> None:
    zoo, task = copies(), small_task()
    task.splits = {n: Split(s.x.double(), s.y) for n, s in task.splits.items()}
    found = LossBarrier(task, small_network()).measure(zoo, zoo)["loss_barrier"]
    assert len(found["as_is"]) == 15
    assert found["as_is"].abs().max() > 1e-3
    assert found["matched"].abs().max() < 1e-12
    apart = WeightDistance(task, small_network()).measure(zoo, zoo)["weight_distance"]
    torch.testing.assert_close(apart["norm"], zoo.weights.norm(dim=1))
    assert apart["distance"].min() > 0.1
    assert apart["matched"].max() < 1e-12


def test_pairs_are_of_training_runs() -> None:
    """Three runs of four snapshots: three pairs, of last snapshots."""
    zoo, context = small_zoo(runs=3, snapshots=4), (small_task(), small_network())
    last = zoo[torch.arange(9, 12)]
    for metric in (LossBarrier(*context), WeightDistance(*context)):
        (found,), (wanted,) = metric.measure(zoo, zoo).values(), metric.measure(last, zoo).values()
        name = "as_is" if "as_is" in found else "distance"
        assert len(found[name]) == 3
        torch.testing.assert_close(found[name], wanted[name])


@pytest.mark.parametrize("n", [1, 2])
def test_one_run_alone_has_no_pairs(n: int) -> None:
    zoo = small_zoo(runs=1, snapshots=n)
    context = small_task(), small_network()
    assert LossBarrier(*context).measure(zoo, zoo)["loss_barrier"] == {
        "as_is": None,
        "matched": None,
    }
    found = WeightDistance(*context).measure(zoo, zoo)["weight_distance"]
    assert found["distance"] is None
    assert found["matched"] is None
    assert math.isfinite(found["norm"].mean())
