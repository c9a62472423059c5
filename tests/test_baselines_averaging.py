"""Which zoo networks are averaged: different ones, and each choice equally often."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations
from math import ceil

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.interfaces.task import Signature
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.baselines.interpolation import Interpolation
from wflow_plugins.baselines.soup import Soup
from wflow_plugins.tasks.gaussian import GaussianToy
from wflow_plugins.zoos.gaussian import GaussianZoo

# No hidden units: nothing is aligned.
NETWORK = Mlp(Signature((11,), 1), hidden=[])
AVERAGED = {Interpolation: 2, Soup: 5}


def averages(baseline: type[Baseline], n: int, samples: int) -> tuple[Tensor, Tensor]:
    """``[samples]`` the first network of each average, ``[samples, n]`` how often each is in it.

    Network i of n is the i-th unit vector.
    """
    zoo = WeightSet.from_module(NETWORK.template, torch.eye(n, 12))
    source, generator = GaussianZoo(GaussianToy(), NETWORK), torch.Generator().manual_seed(0)
    like = zoo[torch.zeros(samples, dtype=torch.int64)]
    made = baseline().make(BaselineContext(NETWORK, source, zoo, like, generator))
    counts = made.weights[:, :n] * AVERAGED[baseline]
    torch.testing.assert_close(counts, counts.round())
    return made.run, counts.round().long()


@pytest.mark.parametrize("baseline", AVERAGED)
@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_no_network_is_averaged_with_itself(baseline: type[Baseline], n: int) -> None:
    """Of fewer networks than are averaged, each is in it as often as the others, up to one."""
    first, counts = averages(baseline, n, samples=400)
    count = AVERAGED[baseline]
    assert (counts.sum(1) == count).all()
    assert (counts.amax(1) == ceil(count / n)).all()
    assert ((counts > 0).sum(1) == min(n, count)).all()
    assert (counts.amax(1) - counts.amin(1) <= 1).all()
    assert (counts[torch.arange(400), first] > 0).all()


@pytest.mark.parametrize("n", [3, 12])
def test_pairs_are_equally_likely_in_either_order(n: int) -> None:
    first, counts = averages(Interpolation, n, samples=50 * n * (n - 1))
    second = counts.scatter(1, first.unsqueeze(1), 0).argmax(1)
    seen = Counter(zip(first.tolist(), second.tolist(), strict=True))
    found = [seen[pair] for pair in permutations(range(n), 2)]
    assert sum(found) == len(first)
    assert chisquare(found).pvalue > 0.01


def test_soups_are_equally_likely() -> None:
    _, counts = averages(Soup, 8, samples=56 * 50)
    seen = Counter(tuple(row.nonzero().flatten().tolist()) for row in counts)
    found = [seen[soup] for soup in combinations(range(8), 5)]
    assert sum(found) == len(counts)
    assert chisquare(found).pvalue > 0.01
