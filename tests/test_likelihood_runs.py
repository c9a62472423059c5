"""Log-densities of networks under the flow of a run, the metric, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_support import own_distribution, tiny, without_seconds, write_spec
from torch import Tensor

import wflow_core
from wflow_core.errors import DataError, SpecError, UnsupportedError
from wflow_core.symmetry import GroupElement
from wflow_core.testing.fixtures import seeded
from wflow_plugins.stages.trained_flow import NetworkFlow

GEOMETRIC = {
    "prior": "gaussian",
    "coupling": "independent",
    "canonicalizers": "[relu_sphere]",
    "manifold": "relu_sphere",
    "hooks": "[]",
    "metrics": "[{type: likelihood, networks: 6, divergence: exact}]",
}


def ran(folder: Path, **lines: str | None) -> tuple[NetworkFlow, dict[str, Any]]:
    spec = wflow_core.load_spec(write_spec(folder, tiny(**GEOMETRIC | lines)))
    metrics = wflow_core.run(wflow_core.assemble(spec), folder / "run")
    return wflow_core.load(folder / "run"), metrics


def exact(flow: NetworkFlow, weights: Tensor, **options: Any) -> Tensor:
    found = flow.log_prob(weights, divergence="exact", **options)
    assert found.standard_error is None
    return found.value


@pytest.fixture(scope="module")
def geometric(tmp_path_factory: pytest.TempPathFactory) -> tuple[NetworkFlow, dict[str, Any]]:
    return ran(tmp_path_factory.mktemp("geometric"))


def test_every_population_is_measured_the_zoo_on_runs_that_were_held_out(
    geometric: tuple[NetworkFlow, dict[str, Any]],
) -> None:
    flow, metrics = geometric
    populations = [metrics["zoo"], metrics["collected"], metrics["samples"]]
    populations += metrics["baselines"].values()
    assert all(isinstance(of["likelihood"]["nll"]["mean"], float) for of in populations)
    assert all(of["likelihood"]["standard_error"] is None for of in populations)
    assert [of["likelihood"]["networks"] for of in populations] == [1, 1] + [6] * 7
    zoo = flow.zoo
    held_out = flow.held_out(zoo)
    assert len(held_out) == 1  # 5 % of 24 runs
    known = -exact(flow, held_out.weights).mean().item() / flow.components.space.dim
    assert metrics["zoo"]["likelihood"]["nll"]["mean"] == pytest.approx(known, abs=1e-5)
    assert metrics["collected"]["likelihood"]["nll"]["mean"] == pytest.approx(known, abs=1e-4)


def test_a_loaded_flow_measures_what_the_run_did(
    geometric: tuple[NetworkFlow, dict[str, Any]],
) -> None:
    flow, metrics = geometric
    again = without_seconds(flow.evaluate())
    assert again == {k: v for k, v in without_seconds(metrics).items() if k in again}


def test_equal_networks_are_equally_likely(geometric: tuple[NetworkFlow, dict[str, Any]]) -> None:
    """Rescaled ones as representatives; reordered ones as the flow is equivariant."""
    flow, w = geometric[0], geometric[0].samples.weights[:3]
    symmetry = flow.components.architecture.symmetry
    known = exact(flow, w)
    element = symmetry.random(3, seeded(), w.dtype)
    reordered = symmetry.act(w, GroupElement(element.perm))
    torch.testing.assert_close(exact(flow, reordered), known, atol=1e-2, rtol=0)
    rescaled = symmetry.act(w, GroupElement(scale=element.scale))
    with pytest.raises(DataError, match=r"do not lie on ReluSphere.*off by up to"):
        flow.log_prob(rescaled)
    found = exact(flow, rescaled, represent=True)
    torch.testing.assert_close(found, known, atol=1e-2, rtol=0)


def test_options_reach_the_solve(geometric: tuple[NetworkFlow, dict[str, Any]]) -> None:
    flow, w = geometric[0], geometric[0].samples
    options = {"divergence": "hutchinson", "probes": 3}
    found = flow.log_prob(w, seed=1, **options)
    assert found.standard_error is not None
    assert found.standard_error.shape == (len(w),)
    assert torch.equal(found.value, flow.log_prob(w, seed=1, **options).value)
    assert not torch.equal(found.value, flow.log_prob(w, seed=2, **options).value)
    assert not torch.equal(exact(flow, w.weights), exact(flow, w.weights, steps=2))
    with pytest.raises(DataError, match=r"\[N, 134\], at least one; got \[0, 134\]"):
        flow.log_prob(w[:0])


def test_a_guided_flow_has_no_density(geometric: tuple[NetworkFlow, dict[str, Any]]) -> None:
    flow = geometric[0]
    slot = {"guidance": "{type: task_loss, strength: 0.5}", "metrics": "[]"}
    spec = wflow_core.spec_from_text(tiny(**GEOMETRIC | slot))
    guided = replace(flow.density_of(flow.samples), components=wflow_core.assemble(spec))
    with pytest.raises(UnsupportedError, match=r"adds a drift.*strength to 0"):
        guided(flow.samples)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ({"guidance": "{type: task_loss, strength: 0.5}"}, "no density: TaskLoss.*adds a drift"),
        ({"solver": "{type: guided_euler, noise: 0.1}"}, "no density: GuidedEuler.*adds noise"),
        ({"prior": "initializer", "coupling": "trajectory"}, "have a density in flat space only"),
        ({"manifold": "normalized"}, "no density: endpoints of flows on Normalized.*projected"),
    ],
)
def test_the_metric_is_refused_before_anything_runs(lines: dict[str, str], words: str) -> None:
    lines = {"guidance": "{type: task_loss, strength: 0.0}"} | lines
    with pytest.raises(SpecError, match=rf"\d+:\d+: metrics\.0: .*{words}"):
        wflow_core.assemble(wflow_core.spec_from_text(tiny(**GEOMETRIC | lines)))


def test_behind_a_codec_the_density_of_coordinates_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_distribution(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    lines = {"canonicalizers": None, "manifold": None, "velocity": "{type: mlp, width: 16}"}
    codec = lines | {"codec": "rotation"}
    with pytest.raises(SpecError, match=r"no density of weights: Rotation.*by 5 coordinates"):
        ran(tmp_path, **codec)
    flow, _ = ran(tmp_path, **codec, metrics="[task_score]")
    with pytest.raises(UnsupportedError, match="coordinates=True"):
        flow.log_prob(flow.samples)
    assert flow.log_prob(flow.samples, coordinates=True).value.isfinite().all()


def test_what_the_prior_cannot_reach_is_counted(tmp_path: Path) -> None:
    lines = {"canonicalizers": None, "manifold": None, "prior": "initializer"}
    flow, metrics = ran(tmp_path, **lines)
    outside = (-flow.log_prob(flow.samples).value).isposinf().float().mean().item()
    assert metrics["samples"]["likelihood"]["outside"] == pytest.approx(outside)
    assert (metrics["samples"]["likelihood"]["nll"]["mean"] is None) == (outside > 0)
