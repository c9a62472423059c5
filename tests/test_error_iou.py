"""Overlap of wrong decisions: known sets, chance, and never against oneself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from metric_support import ClassTask
from scipy.stats import hypergeom
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Split
from wflow_core.testing.fixtures import SmallTask, seeded, small_network, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.metrics import error_iou, overlap
from wflow_plugins.metrics.error_iou import ErrorIou, compare
from wflow_plugins.metrics.overlap import corrected, expected_iou, iou
from wflow_plugins.objectives import Regression


def sets(*rows: str) -> Tensor:
    return torch.tensor([[c == "x" for c in row] for row in rows])


def test_overlap_of_known_sets() -> None:
    a, b = sets("xx..", "....", "xxxx"), sets("xx..", ".xx.", "....", "..xx")
    wanted = [[1, 1 / 3, 0, 0], [0, 0, 1, 0], [0.5, 0.5, 0, 0.5]]
    torch.testing.assert_close(iou(a, b), torch.tensor(wanted))


def by_scipy(a: int, b: int, places: int) -> float:
    both = np.arange(min(a, b) + 1)
    ratio = np.where(a + b - both > 0, both / np.maximum(a + b - both, 1), 1)
    return float((hypergeom(places, a, b).pmf(both) * ratio).sum())


def test_chance_is_the_hypergeometric_mean() -> None:
    sizes = torch.arange(10)
    found = expected_iou(sizes, sizes, 9)
    wanted = [[by_scipy(a, b, 9) for b in range(10)] for a in range(10)]
    torch.testing.assert_close(found, torch.tensor(wanted))
    assert found[0, 0] == found[9, 9] == 1  # two empty sets, two full ones
    assert found[1, 1].item() == pytest.approx(1 / 9)


@pytest.mark.parametrize(("a", "b"), [(1, 9000), (12, 15), (300, 320), (5000, 5000), (9990, 7)])
def test_chance_of_many_places(a: int, b: int) -> None:
    found = expected_iou(torch.tensor([a]), torch.tensor([b]), 10_000).item()
    assert found == pytest.approx(by_scipy(a, b, 10_000), rel=1e-6)


def test_chance_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = torch.arange(0, 60, 7)
    whole = expected_iou(sizes, sizes, 60)
    monkeypatch.setattr(overlap, "CHUNK", 200)
    torch.testing.assert_close(expected_iou(sizes, sizes, 60), whole)


@given(seed=st.integers(0, 2**31))
def test_corrected_is_0_on_average_where_sets_are_independent(seed: int) -> None:
    g = seeded(seed)
    a, b = (torch.rand(n, 40, generator=g).argsort(1) < size for n, size in ((60, 9), (60, 14)))
    sizes = a.sum(1), b.sum(1)
    found = corrected(iou(a, b), expected_iou(*sizes, 40))
    assert abs(found.mean()) < 0.02
    same = corrected(iou(a, a), expected_iou(sizes[0], sizes[0], 40)).diagonal()
    torch.testing.assert_close(same, torch.ones(60))


def test_nothing_can_be_told_of_networks_that_are_always_right() -> None:
    none = sets("....")
    found = corrected(iou(none, none), expected_iou(none.sum(1), none.sum(1), 4))
    assert found.item() == 0


def constant(*classes: int) -> WeightSet:
    """Networks that decide for one class whatever the input."""
    layout = small_network().symmetry.layout
    w = torch.zeros(len(classes), layout.size)
    at = layout.by_name["4.bias"].offset
    w[torch.arange(len(classes)), at + torch.tensor(classes)] = 1
    return WeightSet.from_module(small_network().template, w)


def measured(samples: WeightSet, zoo: WeightSet) -> dict:
    return ErrorIou(ClassTask(), small_network()).measure(samples, zoo)["error_iou"]


def test_networks_that_are_wrong_on_the_same_inputs_and_on_others() -> None:
    found = measured(constant(1), constant(0, 0, 1))
    assert found["max"].tolist() == [1]
    assert found["mean"].tolist() == [pytest.approx(1 / 3)]
    m, k = 15, int((ClassTask().splits["test"].y == 0).sum())  # class 1 is wrong on k of m
    chances = [by_scipy(k, m - k, m), by_scipy(k, m - k, m), by_scipy(k, k, m)]
    assert found["chance"].item() == pytest.approx(np.mean(chances))
    assert found["max_corrected"].item() == pytest.approx(1)
    kappa = [(is_ - c) / (1 - c) for is_, c in zip((0, 0, 1), chances, strict=True)]
    assert found["mean_corrected"].item() == pytest.approx(np.mean(kappa), abs=1e-6)
    # As many zoo networks as samples; more samples, all of them, each beside the two others.
    assert len(found["zoo"]["max"]) == 1
    zoo = measured(constant(1, 1, 1), constant(0, 0, 1))["zoo"]
    assert sorted(zoo["max"].tolist()) == [0, 1, 1]
    assert sorted(zoo["mean"].tolist()) == [0, 0.5, 0.5]


def test_a_copy_is_found_and_a_run_is_never_held_against_itself() -> None:
    zoo = small_zoo(runs=6, snapshots=3)
    copies = zoo[4:9]
    assert measured(copies, zoo)["max"].tolist() == [1] * 5
    metric = ErrorIou(ClassTask(), small_network())
    wrong, found = metric.wrong(zoo), metric.measure(zoo, zoo)["error_iou"]
    pairs = iou(wrong, wrong)
    for name, reduce in (("max", torch.amax), ("mean", torch.mean)):
        wanted = torch.stack(
            [reduce(row[zoo.run != own], 0) for row, own in zip(pairs, zoo.run, strict=True)]
        )
        torch.testing.assert_close(found[name], wanted)
        assert sorted(found["zoo"][name].tolist()) == pytest.approx(sorted(wanted.tolist()))
    assert found["max"].min() < 1


def test_a_zoo_of_one_run_has_nothing_to_be_held_against() -> None:
    found = measured(small_zoo(runs=2, snapshots=1), small_zoo(runs=1, snapshots=3))
    assert found["zoo"] is None
    assert found["max"].isfinite().all()


def test_chunks_of_networks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, run = torch.rand(9, 20, generator=seeded()) < 0.3, torch.arange(9) % 4
    whole = compare(wrong, wrong, run, run), compare(wrong, wrong, None, run)
    monkeypatch.setattr(error_iou, "CHUNK", 20)
    for wanted, own in zip(whole, (run, None), strict=True):
        found = compare(wrong, wrong, own, run)
        assert all(torch.equal(found[name], of) for name, of in wanted.items())


def test_a_task_without_classes_is_refused() -> None:
    class Values(SmallTask):
        objective = Regression()

        def load(self) -> Mapping[str, Split]:
            return {n: Split(s.x, s.x[:, :2]) for n, s in super().load().items()}

    with pytest.raises(UnsupportedError, match=r"error_iou compares wrong decisions.*Regression"):
        ErrorIou(Values(), small_network())
