from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from metric_support import ClassTask
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import log_loss
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.objective import Objective
from wflow_core.testing.fixtures import SmallTask, seeded, small_network, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.metrics.calibration import Calibration
from wflow_plugins.metrics.disagreement import Disagreement
from wflow_plugins.metrics.gaussians import coverage, crps, mixture_crps
from wflow_plugins.metrics.pairs import draw_pairs
from wflow_plugins.metrics.probabilities import (
    brier,
    expected_calibration_error,
    negative_log_likelihood,
)
from wflow_plugins.objectives import Regression
from wflow_plugins.tasks.regression_1d import Regression1d

DOUBLE = torch.float64


def test_known_answers_of_probabilities() -> None:
    p = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.4, 0.6]], dtype=DOUBLE)
    y = torch.tensor([0, 0, 0, 1, 1])
    # Four inputs of confidence .8, three of them right; one of confidence .6, right.
    gap = (4 * abs(0.75 - 0.8) + abs(1 - 0.6)) / 5
    assert expected_calibration_error(p, y, 15).item() == pytest.approx(gap)
    # In a single bin the errors of both kinds cancel.
    assert expected_calibration_error(p, y, 1).item() == pytest.approx(abs(0.8 - 0.76))
    assert brier(p, y).item() == pytest.approx((3 * 0.08 + 1.28 + 0.32) / 5)
    assert negative_log_likelihood(p.log(), y).item() == pytest.approx(log_loss(y, p))


def test_the_ends_of_the_scales() -> None:
    y = torch.tensor([0, 1, 2])
    right, wrong = torch.eye(3), torch.eye(3).roll(1, 1)
    found = torch.stack([right, wrong, torch.full((3, 3), 1 / 3)])
    torch.testing.assert_close(brier(found, y), torch.tensor([0.0, 2.0, 2 / 3]))
    ece = expected_calibration_error(found, y, 15)
    torch.testing.assert_close(ece, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)


@given(seed=st.integers(0, 2**31), bins=st.integers(1, 20))
def test_calibration_error_is_that_of_a_loop_over_bins(seed: int, bins: int) -> None:
    g = seeded(seed)
    p = (2 * torch.randn(3, 40, 4, generator=g, dtype=DOUBLE)).softmax(-1)
    y = torch.randint(4, (40,), generator=g)
    confidence, decided = p.max(-1)
    wanted = torch.zeros(3, dtype=DOUBLE)
    for n in range(3):
        for m in range(bins):
            inside = (confidence[n] > m / bins) & (confidence[n] <= (m + 1) / bins)
            if inside.any():
                right = (decided[n] == y)[inside].double().mean()
                wanted[n] += inside.sum() / 40 * (right - confidence[n][inside].mean()).abs()
    torch.testing.assert_close(expected_calibration_error(p, y, bins), wanted)


def integral(means: np.ndarray, noise: float, y: float) -> float:
    """The definition: the squared distance of two distribution functions."""
    low, high = (
        (lambda x: norm.cdf(x, means, noise).mean() ** 2),
        (lambda x: norm.sf(x, means, noise).mean() ** 2),
    )
    return float(quad(low, -30, y, limit=200)[0] + quad(high, y, 30, limit=200)[0])


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 5), noise=st.floats(0.2, 2))
def test_crps_is_the_integral_that_defines_it(seed: int, n: int, noise: float) -> None:
    f, y = torch.randn(n, 2, 1, generator=seeded(seed), dtype=DOUBLE), torch.zeros(2, 1).double()
    alone = [np.mean([integral(np.array([m]), noise, 0.0) for m in of.flatten()]) for of in f]
    torch.testing.assert_close(crps(f - y, noise), torch.tensor(alone), atol=1e-6, rtol=0)
    pairs = draw_pairs(n, 10**6, 0, f.device)
    together = np.mean([integral(f[:, b, 0].numpy(), noise, 0.0) for b in range(2)])
    assert mixture_crps(f, y, noise, pairs).item() == pytest.approx(together, abs=1e-6)


def test_right_bands_cover_what_they_say_and_narrow_ones_less() -> None:
    y = torch.randn(20_000, 1, generator=seeded(), dtype=DOUBLE)
    for level in (0.5, 0.9):
        below = torch.special.ndtr(torch.stack([y, 2 * y, y / 2]))
        right, narrow, wide = coverage(below, level).tolist()
        assert right == pytest.approx(level, abs=0.01)
        assert narrow < right < wide


class Constant(SmallTask):
    """Values for the small network, whose outputs are two."""

    def __init__(self, objective: Objective):
        super().__init__()
        self.objective = objective


def test_of_classes_alone_and_together() -> None:
    zoo, task, network = small_zoo(), ClassTask(), small_network()
    found = Calibration(task, network).measure(zoo, zoo)["calibration"]
    test = task.splits["test"]
    outputs = network.batched(zoo.weights, test.x, zoo.buffers)
    torch.testing.assert_close(found["nll"], task.objective.score(outputs, test.y)["loss"])
    p = outputs.double().softmax(-1).mean(0)
    assert found["average"]["nll"] == pytest.approx(log_loss(test.y, p), rel=1e-5)
    assert found["average"]["brier"] == pytest.approx(brier(p, test.y).item(), rel=1e-5)
    assert all(len(found[name]) == len(zoo) for name in ("nll", "brier", "ece"))


def _constant(network: Architecture, values: Tensor) -> WeightSet:
    """Networks of one output that give a value whatever the input."""
    w = torch.zeros(len(values), network.symmetry.layout.size)
    w[:, network.symmetry.layout.slots[-1].offset] = values
    return WeightSet.from_module(network.template, w)


def test_of_values_alone_and_together() -> None:
    task = Regression1d(noise=1.0)
    network = Mlp(task.signature, hidden=(3,))
    networks = _constant(network, torch.tensor([0.0, 0.0, 100.0]))
    found = Calibration(task, network).measure(networks, networks)["calibration"]
    y = task.splits["test"].y
    # Two of three agree, so that the mixture is theirs but for a third of the mass.
    assert found["average"]["nll"] == pytest.approx(found["nll"][0].item() + math.log(1.5))
    assert found["coverage"]["90"][2] == 0
    below = norm.cdf(y) * 2 / 3
    for level, key in ((0.5, "50"), (0.9, "90")):
        wanted = (np.abs(below - 0.5) <= level / 2).mean()
        assert found["average"]["coverage"][key] == pytest.approx(wanted)
    assert found["crps"][2].item() == pytest.approx(100, abs=1)


def test_an_objective_of_another_kind_is_refused() -> None:
    class Other(Objective):
        loss = score = average = to_probabilities_or_values = None

    with pytest.raises(UnsupportedError, match=r"calibration knows .* Other"):
        Calibration(Constant(Other()), small_network())
    with pytest.raises(UnsupportedError, match=r"disagreement compares decisions.*Regression"):
        Disagreement(Constant(Regression()), small_network())


def test_disagreement_counts_other_decisions() -> None:
    layout = small_network().symmetry.layout
    w = torch.zeros(3, layout.size)
    bias = layout.by_name["4.bias"].offset
    w[0, bias], w[1, bias], w[2, bias + 1] = 1.0, 9.0, 1.0
    networks = WeightSet.from_module(small_network().template, w)
    metric = Disagreement(ClassTask(), small_network())
    found = metric.measure(networks, networks)["disagreement"]
    assert sorted(found.tolist()) == [0.0, 1.0, 1.0]
    assert metric.measure(networks[:1], networks)["disagreement"] is None


def test_disagreement_is_the_fraction_of_inputs() -> None:
    zoo, task, network = small_zoo(runs=5, snapshots=1), ClassTask(), small_network()
    decided = network.batched(zoo.weights, task.splits["test"].x).argmax(-1)
    wanted = (decided.unsqueeze(0) != decided.unsqueeze(1)).float().mean(-1)
    metric = Disagreement(task, network)
    found = metric.measure(zoo, zoo)["disagreement"]
    i, j = draw_pairs(5, 1000, 0, wanted.device)
    torch.testing.assert_close(found, wanted[i, j])
    assert len(found) == 10
    assert found.max() > 0
