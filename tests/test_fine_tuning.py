from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, strategies as st
from plugin_support import tiny, wflow, write_spec
from torch import nn
from torch.nn import functional as F

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_core.seeds import stage_generator
from wflow_core.symmetry import Symmetry
from wflow_core.testing.fixtures import seeded, small_network, small_task, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.evaluation.metric_tree import summarize
from wflow_plugins.metrics.fine_tuning import FineTuning
from wflow_plugins.metrics.learning_curve import first_at, milestones
from wflow_plugins.objectives import Regression
from wflow_plugins.report.figures import draw_all
from wflow_plugins.report.read import read_run
from wflow_plugins.zoos.train import Train

CPU = torch.device("cpu")


class Bare(Architecture):
    """A module without its symmetry, which training does not ask for."""

    def __init__(self, module: nn.Module, signature: Signature):
        super().__init__(signature)
        self.made = module

    def build(self) -> nn.Module:
        return copy.deepcopy(self.made)

    def define_symmetry(self) -> Symmetry:
        raise NotImplementedError


class Slope(Task):
    """Values 2 x; the mean of x^2 is 1 in training, 4 in the test."""

    objective = Regression()

    @property
    def signature(self) -> Signature:
        return Signature((1,), 1)

    def load(self) -> Mapping[str, Split]:
        x = torch.tensor([[-1.0], [1.0]])
        return {"train": Split(x, 2 * x), "val": Split(x, 2 * x), "test": Split(2 * x, 4 * x)}


def measured(metric: FineTuning, networks: WeightSet) -> dict:
    return metric.measure(networks, networks)["fine_tuning"]


def fine_tuning(**options: object) -> FineTuning:
    options = {"epochs": 3, "batch_size": 16, "optimizer": {"lr": 0.03}} | options
    return FineTuning(small_task(), small_network(), **options)


def test_a_slope_shrinks_its_error_by_the_same_factor_each_step() -> None:
    line = nn.Linear(1, 1, bias=False)
    network, sgd = Bare(line, Signature((1,), 1)), {"type": "sgd", "lr": 0.25, "momentum": 0}
    metric = FineTuning(Slope(), network, epochs=8, batch_size=2, points=99, optimizer=sgd)
    error = torch.tensor([-2.0, 1.0, 0.5])
    found = measured(metric, WeightSet.from_module(line, (2 + error).unsqueeze(1)))
    assert list(found["curve"]) == [str(k) for k in range(9)]
    found["curve"] = {int(k): v for k, v in found["curve"].items()}
    order = found["curve"][0]["loss"].argsort(descending=True)  # networks are drawn at random
    for k, scores in found["curve"].items():
        wanted = (0.75**k * error).square() * 4 / 2 + math.log(2 * math.pi) / 2
        torch.testing.assert_close(scores["loss"][order], wanted)
    # The target is the end of fresh draws, of which less is better.
    fresh = metric._fresh(torch.device("cpu"))
    assert found["target"] == {"loss": fresh[8]["loss"]}
    wanted = first_at({k: -of["loss"].mean().item() for k, of in found["curve"].items()},
                      -fresh[8]["loss"])  # fmt: skip
    assert found["steps_to_target"] == wanted


@pytest.mark.parametrize("normed", [False, True])
def test_the_curve_is_that_of_networks_trained_one_by_one(normed: bool) -> None:
    layers = [nn.Linear(4, 5), nn.BatchNorm1d(5) if normed else nn.Tanh(), nn.Linear(5, 2)]
    module, task = nn.Sequential(*layers).double(), small_task()
    task.splits = {n: Split(s.x.double(), s.y) for n, s in task.splits.items()}
    options = {"epochs": 2, "batch_size": 60, "optimizer": {"lr": 0.1, "weight_decay": 0.01}}
    metric = FineTuning(task, Bare(module, task.signature), **options)
    n = 3
    size = sum(p.numel() for p in module.parameters())
    networks = WeightSet.from_module(module, torch.randn(n, size, generator=seeded()).double())
    found = measured(metric, networks)
    train, test, alone = task.splits["train"], task.splits["test"], []
    for state in networks.state_dicts():
        module.load_state_dict(state)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.1, weight_decay=0.01)
        losses = []
        for _ in range(3):
            losses.append(F.cross_entropy(module.eval()(test.x), test.y).item())
            optimizer.zero_grad()
            F.cross_entropy(module.train()(train.x), train.y).backward()  # one batch an epoch
            optimizer.step()
        alone.append(losses)
    together = torch.stack([found["curve"][str(k)]["loss"] for k in range(3)], 1)
    wanted = torch.tensor(sorted(alone), dtype=together.dtype)
    torch.testing.assert_close(together[together[:, 0].argsort()], wanted, atol=1e-6, rtol=1e-5)


@given(total=st.integers(1, 10**5), points=st.integers(3, 40))
def test_milestones_go_from_nothing_to_the_end_and_grow_evenly(total: int, points: int) -> None:
    found = milestones(total, points)
    assert found[:2] == [0, 1]
    assert found[-1] == total
    assert len(found) <= points
    assert found == sorted(set(found))
    factor = total ** (1 / (points - 2))
    # No step between two is longer than the factor, but for rounding of both.
    assert all(b <= a * factor + 0.5 * (1 + factor) + 1e-6 for a, b in pairwise(found[1:]))


def test_known_milestones() -> None:
    assert milestones(1, 12) == [0, 1]
    assert milestones(1000, 5) == [0, 1, 10, 100, 1000]
    assert milestones(4, 99) == [0, 1, 2, 3, 4]
    assert milestones(50, 3) == [0, 1, 50]


@pytest.mark.parametrize(
    ("values", "target", "wanted"),
    [
        ([0.2, 0.4, 0.8], 0.6, 1.5),
        ([0.2, 0.4, 0.8], 0.4, 1.0),
        ([0.2, 0.4, 0.8], 0.1, 0.0),
        ([0.2, 0.4, 0.8], 0.9, None),
        ([0.2, 0.8, 0.1, 0.9], 0.5, 0.5),  # the first time of several
        ([0.2, math.nan, 0.8], 0.5, 1.0),
        ([-math.inf, 0.8], 0.5, 1.0),
        ([0.2, 0.4], math.nan, None),
    ],
)
def test_when_a_curve_reaches_a_target(
    values: list[float], target: float, wanted: float | None
) -> None:
    assert first_at(dict(enumerate(values)), target) == pytest.approx(wanted)


def test_trained_networks_are_better_initialisations_than_fresh_ones() -> None:
    source = Train(small_task(), small_network(), networks=8, epochs=20, optimizer={"lr": 0.03})
    zoo = source.collect(seeded())
    found = measured(fine_tuning(), zoo)
    assert found["steps_to_target"] == 0
    start = found["from_initial"]
    assert start["curve"]["0"]["accuracy"].mean() < found["target"]["accuracy"]
    assert start["steps_to_target"] is None or start["steps_to_target"] > 1
    # The points that networks came from are a population like any other.
    initial = measured(fine_tuning(), WeightSet.from_module(small_network().template, zoo.initial))
    assert "from_initial" not in initial
    assert same(start, {name: initial[name] for name in start})
    assert "from_initial" not in measured(fine_tuning(from_initial=False), zoo)


def same(one: dict, other: dict) -> bool:
    return summarize(one) == summarize(other)


def test_fresh_draws_reach_the_target_at_the_end() -> None:
    metric = fine_tuning(networks=5)
    drawn = small_network().initialize(5, stage_generator(0, "fine_tuning/fresh", CPU))
    found = measured(metric, WeightSet.from_module(small_network().template, drawn))
    means = {k: of["accuracy"].mean().item() for k, of in found["curve"].items()}
    assert means == pytest.approx({k: of["accuracy"] for k, of in found["fresh"].items()})
    assert found["target"]["accuracy"] == pytest.approx(list(means.values())[-1])


def test_at_most_so_many_networks_are_trained_and_none_is_changed() -> None:
    zoo = small_zoo()
    before = zoo.weights.clone()
    found = measured(fine_tuning(networks=5), zoo)
    assert {len(of) for scores in found["curve"].values() for of in scores.values()} == {5}
    assert torch.equal(zoo.weights, before)


def test_training_sees_no_test_rows() -> None:
    """Other labels there turn the scores around, and so change nothing before."""
    task = small_task()
    test = task.splits["test"]
    task.splits = {**task.splits, "val": test, "test": Split(test.x, 1 - test.y)}
    options = {"epochs": 3, "batch_size": 16, "optimizer": {"lr": 0.03}}
    turned = measured(FineTuning(task, small_network(), **options), small_zoo())["curve"]
    for step, scores in measured(fine_tuning(), small_zoo())["curve"].items():
        torch.testing.assert_close(turned[step]["accuracy"], 1 - scores["accuracy"])


def test_it_repeats_even_with_dropout_and_leaves_the_generator_of_torch_alone() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 2))
    w = 0.5 * torch.randn(4, 37, generator=seeded())
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        metric = FineTuning(small_task(), Bare(module, small_task().signature), batch_size=16)
        found.append(measured(metric, WeightSet.from_module(module, w)))
        assert torch.equal(torch.get_rng_state(), before)
    assert same(*found)
    metric = FineTuning(small_task(), metric.architecture, batch_size=16, seed=1)
    assert not same(measured(metric, WeightSet.from_module(module, w))["curve"], found[0]["curve"])


def test_a_figure_a_task(tmp_path: Path) -> None:
    metrics = "[{type: fine_tuning, networks: 3, epochs: 2, batch_size: 32}]"
    result = wflow("run", write_spec(tmp_path, tiny(metrics=metrics, hooks="[]")),
                   "--out", tmp_path / "run")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    run = read_run(tmp_path / "run")
    (own,) = (p for p in draw_all(run, None) if p.name.startswith("fine"))
    end = run.mean("samples", "fine_tuning", "curve", "24", "accuracy")
    assert f"to {end:.3f}; starts of samples from " in own.alt
    for said in ("Gaussian fit", "fresh initialiser", "optimizer steps", "accuracy", ">24<"):
        assert said in own.svg
    for name in ("samples", "zoo"):
        run.numbers[name]["another"] = {"fine_tuning": run.numbers[name]["fine_tuning"]}
    both = [p for p in draw_all(run, None) if p.name.startswith("fine")]
    assert both[0] == own
    assert both[1].title == "Networks as initialisations on another"
    assert len({p.name for p in both}) == len(both) == 2
    del run.numbers["samples"]["fine_tuning"]["target"]
    assert [p.title for p in draw_all(run, None) if p.name.startswith("fine")] == []
