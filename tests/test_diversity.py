from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, strategies as st
from metric_support import ClassTask
from scipy.spatial.distance import jensenshannon
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.objective import Objective
from wflow_core.testing.fixtures import SmallTask, small_network, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.diversity import Diversity, jensen_shannon


def constant(logits: list[list[float]]) -> WeightSet:
    """Networks that give the same two logits whatever the input."""
    layout = small_network().symmetry.layout
    w = torch.zeros(len(logits), layout.size)
    slot = layout.by_name["4.bias"]
    w[:, slot.offset : slot.offset + 2] = torch.tensor(logits)
    return WeightSet.from_module(small_network().template, w)


def diversity(networks: WeightSet, **options: int) -> Tensor:
    return Diversity(ClassTask(), small_network(), **options).measure(networks, networks)[
        "diversity"
    ]


def test_the_same_networks_have_none_and_opposite_ones_ln_2() -> None:
    same, opposite = constant([[1.0, 2.0]] * 4), constant([[0.0, 1e4], [1e4, 0.0]])
    assert diversity(same).tolist() == [0.0] * 6
    torch.testing.assert_close(diversity(opposite), torch.tensor([math.log(2)]))


@given(seed=st.integers(0, 2**31), size=st.sampled_from([0.1, 1.0, 30.0]))
def test_it_is_the_divergence_of_scipy_and_symmetric(seed: int, size: float) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = size * torch.randn(2, 7, 4, generator=g, dtype=torch.float64)
    p, q = logits.log_softmax(-1)
    wanted = jensenshannon(p.exp().numpy(), q.exp().numpy(), axis=-1) ** 2
    torch.testing.assert_close(jensen_shannon(p, q), torch.as_tensor(wanted), rtol=1e-6, atol=1e-9)
    assert torch.equal(jensen_shannon(p, q), jensen_shannon(q, p))


def test_few_pairs_are_a_sample_of_all_and_one_network_has_none() -> None:
    zoo = small_zoo(runs=12, snapshots=1)
    every, some = diversity(zoo), diversity(zoo, pairs=20)
    assert len(every) == 66
    assert len(some) == 20
    # Pair by pair the same up to rounding, which goes with the place in the batch.
    assert (some.unsqueeze(1) - every).abs().amin(1).max() < 1e-6
    assert diversity(small_zoo(runs=1, snapshots=2)) is None


class Regressing(Objective):
    """Squared differences, small."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y).square().sum(-1)

    def score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": self.loss(outputs, y).mean(-1)}

    def average(self, outputs: Tensor) -> Tensor:
        return outputs.mean(0)

    def to_probabilities_or_values(self, outputs: Tensor) -> Tensor:
        return outputs


def test_a_task_without_classes_is_refused() -> None:
    class Regression(SmallTask):
        objective = Regressing()

    with pytest.raises(UnsupportedError, match=r"Regression.*Regressing"):
        Diversity(Regression(), small_network())
