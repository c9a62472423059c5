"""Runs under conditions: what they sample, and what is refused before they start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from plugin_support import refused, tiny, wflow, write_spec
from torch import Tensor

import wflow_core
from wflow_core.errors import DataError, SpecError, UnsupportedError
from wflow_core.specs.spec import spec_from_text
from wflow_plugins.commands.export import read_networks
from wflow_plugins.stages.trained_flow import NetworkFlow

LOW, HIGH, STD = -1.0, 2.0, 0.3
SPEC = """\
name: two
task: {type: gaussian, inputs: 2, outputs: 1}
architecture: {type: mlp, hidden: [2]}
zoo:
  type: union
  zoos:
    low: {type: gaussian, networks: 200, mean: -1.0, std: 0.3}
    high: {type: gaussian, networks: 200, mean: 2.0, std: 0.3}
prior: {type: gaussian}
coupling: independent
velocity: {type: mlp, width: 48, layers: 1}
condition: {type: covariates, names: [source], p_uncond: 0.3}
train: {iterations: 400, batch_size: 128, optimizer: {type: adamw, lr: 1.0e-2},
        evaluate_every: 100, warmup: 10}
solver: {type: rk4, steps: 12}
sample: {networks: 100, condition: {source: high}}
hooks: []
"""
ON_LOSS = "{type: covariates, names: [loss]}"
NEVER_DROPPED = "{type: covariates, names: [loss], p_uncond: 0}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditioned") / "run"
    wflow_core.run(wflow_core.assemble(spec_from_text(SPEC)), folder)
    return folder


@pytest.fixture(scope="module")
def flow(run: Path) -> NetworkFlow:
    return wflow_core.load(run)


def is_high(weights: Tensor) -> Tensor:
    return weights.mean(1) > (LOW + HIGH) / 2


def near(weights: Tensor, mean: float) -> bool:
    return abs(weights.mean().item() - mean) < 0.1 and abs(weights.std(0).mean() - STD) < 0.1


def test_samples_are_of_the_class_asked_for(flow: NetworkFlow) -> None:
    assert near(flow.samples.weights, HIGH)
    assert flow.samples.covariates["source"].tolist() == [1] * 100
    assert flow.samples.categories == {"source": ("low", "high")}
    assert near(flow.sample(200, condition={"source": "low"}).weights, LOW)


def test_samples_of_none_are_the_mixture(flow: NetworkFlow) -> None:
    null = flow.sample(300, guidance_scale=0.0).weights
    drawn = flow.sample(300, condition={})
    for weights in (null, drawn.weights):
        assert is_high(weights).float().mean().item() == pytest.approx(0.5, abs=0.15)
    source = drawn.covariates["source"].bool()
    assert source.float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(is_high(drawn.weights), source)


def test_guidance_moves_away_from_the_mixture(flow: NetworkFlow) -> None:
    plain, strong = (
        flow.sample(200, condition={"source": "high"}, guidance_scale=w).weights.mean()
        for w in (1.0, 2.0)
    )
    assert strong > plain


def test_density_is_that_of_the_class(flow: NetworkFlow) -> None:
    networks = flow.zoo[:5]  # the first are of the zoo `low`
    exact = torch.distributions.Normal(LOW, STD).log_prob(networks.weights).sum(-1)
    low, high = (flow.log_prob(networks, condition={"source": of}).value for of in ("low", "high"))
    assert (low - exact).abs().max() < 2  # nats of 9 coordinates
    assert (low - high).min() > 10
    both = flow.log_prob(networks).value
    assert (both - (low - torch.tensor(2.0).log())).abs().max() < 2


def test_what_the_flow_does_not_know_is_refused(flow: NetworkFlow) -> None:
    with pytest.raises(DataError, match="'source' is one of low, high; got 'middle'"):
        flow.sample(2, condition={"source": "middle"})
    with pytest.raises(DataError, match="not conditioned on 'loss'"):
        flow.log_prob(flow.samples, condition={"loss": 1.0})


def test_the_command_asks_for_conditions(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = wflow("sample", run, "--networks", 20, "--out", out, "--condition", "source=low")
    assert done.exit_code == 0, done.output
    flow = wflow_core.load(run)
    networks = read_networks(out, flow.components.architecture.template).weights
    assert torch.equal(networks, flow.sample(20, condition={"source": "low"}).weights)
    told = refused(wflow("sample", run, "--out", tmp_path / "b", "--condition", "source=lo"))
    assert "'source' is one of low, high; got 'lo' (did you mean 'low'?)" in told


def problems(**lines: str | None) -> list[str]:
    with pytest.raises(SpecError) as error:
        wflow_core.assemble(spec_from_text(tiny(**({"coupling": "independent"} | lines))))
    return error.value.problems


def test_unknown_covariates_are_told_at_their_place() -> None:
    [told] = problems(condition="{type: covariates, names: [loss, scor]}")
    assert re.match(r"spec:\d+:45: condition\.names\.1: Train\(.*\) has no covariate 'scor'", told)
    assert "did you mean 'score'" in told
    assert "its covariates: loss, score" in told
    [told] = problems(zoo="{type: gaussian}", prior="gaussian", condition=ON_LOSS)
    assert re.match(r"spec:\d+:39: condition\.names\.0: .*its covariates: none", told)
    [told] = problems(condition="{type: covariates, names: [loss, loss]}")
    assert "'loss' is named twice" in told


def test_what_samples_cannot_be_asked_for_is_told_at_its_place() -> None:
    [told] = problems(sample="{networks: 8, condition: {loss: 0.1}}")
    assert re.match(r"spec:\d+:41: sample\.condition\.loss: the flow has no condition", told)
    [told] = problems(sample="{networks: 8, guidance_scale: 2}")
    assert re.match(r"spec:\d+:39: sample\.guidance_scale: guidance_scale 2 weighs", told)
    [told] = problems(
        condition=ON_LOSS,
        sample="{networks: 8, condition: {loss: high}}",
    )
    assert "'loss' is a finite number; got 'high'" in told
    [told] = problems(condition=NEVER_DROPPED, sample="{guidance_scale: 2}")
    assert "set condition.p_uncond above 0" in told


def test_components_that_cannot_be_conditioned_are_told() -> None:
    [told] = problems(
        condition=ON_LOSS,
        coupling="ot",
        zoo="{type: train, networks: 8}",
    )
    assert "which has real values" in told


def test_a_flow_that_always_had_a_condition_has_no_density_without() -> None:
    spec = tiny(
        coupling="independent", prior="gaussian", condition=NEVER_DROPPED,
        metrics="[likelihood]",
    )  # fmt: skip
    with pytest.raises((SpecError, UnsupportedError), match="no density without a condition"):
        wflow_core.assemble(spec_from_text(spec))


def test_a_run_on_covariates_of_training(tmp_path: Path) -> None:
    """Continuous covariates, a sampled loss; and a resumed run finds all of it again."""
    spec = write_spec(tmp_path, tiny(condition="{type: covariates, names: [loss, score]}",
                                     sample="{networks: 8, condition: {loss: 0.3}}"))  # fmt: skip
    assert wflow("run", spec, "--out", tmp_path / "run").exit_code == 0
    flow = wflow_core.load(tmp_path / "run")
    assert flow.samples.covariates["loss"].tolist() == pytest.approx([0.3] * 8)
    assert torch.isin(flow.samples.covariates["score"], flow.zoo.covariates["score"]).all()
    val, a = flow.components.task.splits["val"], flow.components
    outputs = a.architecture.batched(flow.zoo.weights, val.x)
    scores = a.task.objective.score(outputs, val.y)
    torch.testing.assert_close(flow.zoo.covariates["loss"], scores["loss"])
    torch.testing.assert_close(flow.zoo.covariates["score"], scores["accuracy"])
    before = (tmp_path / "run" / "record.json").read_text()
    assert wflow("run", spec, "--out", tmp_path / "run").exit_code == 0
    assert (tmp_path / "run" / "record.json").read_text() == before
