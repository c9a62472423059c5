"""Objective and tasks of regression, and whole runs on them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import wflow_core
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.testing.fixtures import seeded, small_network
from wflow_plugins.canonicalizers.relu_sphere import ReluSphere
from wflow_plugins.objectives import Regression
from wflow_plugins.tasks.diabetes import Diabetes
from wflow_plugins.tasks.regression_1d import Regression1d


@given(seed=st.integers(0, 2**31), noise=st.floats(0.05, 5), outputs=st.integers(1, 3))
def test_loss_is_a_density_and_scores_are_those_of_scikit(
    seed: int, noise: float, outputs: int
) -> None:
    f, y = torch.randn(2, 9, outputs, generator=seeded(seed), dtype=torch.float64)
    objective = Regression(noise)
    torch.testing.assert_close(objective.loss(f, y), -Normal(f, noise).log_prob(y).sum(-1))
    scores = objective.score(f, y)
    assert scores["r2"].item() == pytest.approx(r2_score(y, f))
    assert scores["rmse"].item() == pytest.approx(mean_squared_error(y, f) ** 0.5)


def test_the_average_is_a_mixture_and_predicts_its_mean() -> None:
    objective = Regression(0.5)
    f, (y,) = (torch.randn(n, 7, 2, generator=seeded(n), dtype=torch.float64) for n in (4, 1))
    parts = Independent(Normal(f.transpose(0, 1), 0.5), 1)
    mixture = MixtureSameFamily(Categorical(torch.ones(7, 4, dtype=torch.float64)), parts)
    torch.testing.assert_close(objective.average_loss(f, y), -mixture.log_prob(y))
    mean = objective.to_probabilities_or_values(objective.average(f))
    torch.testing.assert_close(mean, mixture.mean)
    scores = objective.average_score(f, y)
    assert scores["loss"] == objective.average_loss(f, y).mean()
    assert scores["rmse"] == objective.score(f.mean(0), y)["rmse"]
    # Far from all of them, the mixture still has the likelihood of the nearest.
    far = objective.average_loss(torch.tensor([[[-50.0]], [[50.0]]]), torch.tensor([[50.0]]))
    assert far.item() == pytest.approx(math.log(2) + math.log(0.5 * math.sqrt(2 * math.pi)))


def test_targets_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(3, 5, 1\), targets \(5,\)"):
        Regression().loss(torch.zeros(3, 5, 1), torch.zeros(5))
    with pytest.raises(DataError, match="noise must be positive"):
        Regression(0.0)


def test_a_sine_is_seen_outside_of_the_gap_alone() -> None:
    task = Regression1d(n=400, range=(-1.0, 3.0), gap=(0.5, 2.0), noise=0.05)
    for name, n in (("train", 400), ("val", 100)):
        x = task.splits[name].x
        assert len(x) == n
        assert ((x < 0.5) | (x > 2)).all()
        assert x.min() >= -1
        assert x.max() <= 3
        assert (x > 2).float().mean() == pytest.approx(0.4, abs=0.1)
    test = task.splits["test"]
    torch.testing.assert_close(test.x.diff(dim=0), torch.full((399, 1), 4 / 399))
    residual = test.y - torch.sin(torch.pi * test.x)
    assert residual.std().item() == pytest.approx(0.05, rel=0.2)
    assert task.objective.noise == 0.05
    assert not torch.equal(
        Regression1d(data_seed=1).splits["test"].y, Regression1d().splits["test"].y
    )


@pytest.mark.parametrize("gap", [(0.5, 0.0), (-1.0, 0.0), (0.5, 5.0)])
def test_gaps_that_leave_a_side_out_are_refused(gap: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"gap .* inside range"):
        Regression1d(gap=gap)


def test_diabetes_is_standardised_by_its_training_rows() -> None:
    splits = Diabetes().splits
    assert {name: len(s) for name, s in splits.items()} == {"train": 282, "val": 71, "test": 89}
    for of in (splits["train"].x, splits["train"].y):
        assert of.mean(0).abs().max() < 1e-6
        assert of.std(0, correction=0).sub(1).abs().max() < 1e-6
    assert splits["test"].y.mean().abs() > 1e-3
    fit = LinearRegression().fit(splits["train"].x, splits["train"].y)
    left = torch.as_tensor(fit.predict(splits["train"].x)) - splits["train"].y
    assert left.std().item() == pytest.approx(Diabetes().objective.noise, abs=0.03)
    with pytest.raises(DataError, match=r"task.test 0.999 and .* cannot split 442 rows"):
        _ = Diabetes(test=0.999, val=0.001).splits


def test_a_scaled_last_layer_is_refused_where_values_are_asked_for() -> None:
    with pytest.raises(UnsupportedError, match="preserves decisions only"):
        ReluSphere(small_network(), Regression1d(), last_norm=1.0)


SMALL = [
    *("zoo.networks=20", "zoo.epochs=2", "train.iterations=4", "velocity.layers=1"),
    *("velocity.width=16", "solver.steps=2", "sample.networks=4", "hooks=[report]"),
    "guidance={type: task_loss, strength: 0.01}",
]


@pytest.mark.parametrize("name", ["regression_1d", "diabetes"])
def test_a_whole_run(tmp_path: Path, name: str) -> None:
    example = Path(__file__).parents[1] / "examples" / f"{name}.yaml"
    components = wflow_core.assemble(wflow_core.load_spec(example, SMALL))
    found = wflow_core.run(components, tmp_path / "run")
    for population in (found["zoo"], found["samples"], found["baselines"]["retrained"]):
        assert population.keys() >= {"r2", "rmse", "loss", "model_average", "calibration"}
        assert population["model_average"]["loss"] < population["loss"]["mean"]
        assert set(population["calibration"]["coverage"]) == {"50", "90"}
    flow, test = wflow_core.load(tmp_path / "run"), components.task.splits["test"]
    rmse = (flow.predict(test.x) - test.y).square().mean().sqrt().item()
    assert rmse == pytest.approx(found["samples"]["model_average"]["rmse"], rel=1e-4)
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "r2" in page
    assert ('id="bands"' in page) == (name == "regression_1d")
