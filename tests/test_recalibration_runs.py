"""Networks that nobody trained have BatchNorm statistics of their own, throughout a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from plugin_support import tensors, tiny, wflow, without_seconds
from torch import Tensor

import wflow_core
from wflow_core.assembly.assemble import assemble
from wflow_core.specs.spec import spec_from_text
from wflow_core.weights import WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.batchnorm import recalibration
from wflow_plugins.batchnorm.recalibration import recalibrate
from wflow_plugins.commands.export import read_networks
from wflow_plugins.stages.trained_flow import NetworkFlow

ROWS, BATCH = 96, 32
LINES = {
    "task": "{type: digits, flat: false}",
    "architecture": "{type: cnn, channels: [3], batch_norm: true}",
    "zoo": "{type: train, networks: 6, epochs: 1, batch_size: 128}",
    "codec": "{type: pca, components: 4}",
    "prior": "gaussian",
    "coupling": "independent",
    "velocity": "{type: mlp, width: 8, layers: 1}",
    "train": "{iterations: 4, batch_size: 4, evaluate_every: 2}",
    "solver": "{type: euler, steps: 2}",
    "sample": f"{{networks: 4, recalibrate: {{rows: {ROWS}, batch_size: {BATCH}}}}}",
    "metrics": "[task_score, novelty, {type: loss_barrier, pairs: 2}]",
    "hooks": "[]",
}
Seen = list[tuple[WeightSet, Tensor]]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Networks and rows of each recalibration of the run."""
    return []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, seen: Seen) -> Path:
    def spy(a: Any, networks: WeightSet, inputs: Tensor, batch_size: int) -> WeightSet:
        assert batch_size == BATCH
        seen.append((networks, inputs))
        return recalibrate(a, networks, inputs, batch_size)

    folder = tmp_path_factory.mktemp("batch_norm")
    (folder / "s.yaml").write_text(tiny(**LINES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recalibration, "recalibrate", spy)
        result = wflow("run", folder / "s.yaml", "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture(scope="module")
def flow(run: Path) -> NetworkFlow:
    return wflow_core.load(run)


def measured(flow: NetworkFlow, networks: WeightSet) -> Tensor:
    c = flow.components
    rows = c.scope["recalibrate"].rows
    return recalibrate(c.architecture, networks, rows, BATCH).buffers


def test_samples_have_statistics_of_their_own(flow: NetworkFlow) -> None:
    samples = flow.samples
    assert torch.equal(samples.buffers, measured(flow, samples))
    default = WeightSet.from_module(flow.components.architecture.template, samples.weights)
    assert not torch.equal(samples.buffers, default.buffers)
    assert len(samples.buffers.unique(dim=0)) == len(samples)


def test_all_are_measured_on_the_same_training_rows(flow: NetworkFlow, seen: Seen) -> None:
    train = flow.components.task.splits["train"].x.flatten(1)
    for _, inputs in seen:
        assert torch.equal(inputs, flow.components.scope["recalibrate"].rows)
    rows = seen[0][1].flatten(1)
    assert len(rows) == ROWS
    assert (rows.unsqueeze(1) == train).all(-1).any(1).all()
    places = (rows.unsqueeze(1) == train).all(-1).int().argmax(1)
    assert len(places.unique()) > ROWS - 5  # digits may be drawn alike
    assert not places.equal(places.sort().values)


@pytest.mark.usefixtures("run")
def test_whom_nobody_trained_and_no_others(seen: Seen) -> None:
    """The samples, five baselines one at a time, and midpoints of all eight populations, as is and
    matched."""
    wanted = [4, 2, 2, 2, 2, *5 * [4, 2, 2], 2, 2]
    assert [len(networks) for networks, _ in seen] == wanted


def test_the_zoo_keeps_the_statistics_that_it_was_trained_with(
    run: Path, flow: NetworkFlow
) -> None:
    assert torch.equal(flow.zoo.buffers, tensors(run, "zoo")["buffers"])
    assert not torch.allclose(flow.zoo.buffers, measured(flow, flow.zoo), atol=1e-3)


def test_it_is_measured_again_as_the_run_measured_it(run: Path, flow: NetworkFlow) -> None:
    known = json.loads((run / "metrics.json").read_text())
    known = {name: of for name, of in known.items() if name != "seconds"}
    assert without_seconds(flow.evaluate()) == without_seconds(known)
    named = flow.evaluate(metrics=["loss_barrier"])["samples"]
    assert named["loss_barrier"] == known["samples"]["loss_barrier"]


def test_more_samples_and_their_files(run: Path, flow: NetworkFlow, tmp_path: Path) -> None:
    more = flow.sample(3, seed=1)
    assert torch.equal(more.buffers, measured(flow, more))
    wflow("sample", run, "--networks", 3, "--seed", 1, "--out", tmp_path / "more")
    read = read_networks(tmp_path / "more", flow.components.architecture.template)
    torch.testing.assert_close(read.buffers, more.buffers)


def test_without_it_samples_have_the_buffers_of_a_fresh_module(
    flow: NetworkFlow, tmp_path: Path
) -> None:
    lines = LINES | {"sample": "{networks: 4, recalibrate: null}", "metrics": "[]"}
    components = assemble(spec_from_text(tiny(**lines)))
    assert components.resolved["sample"]["recalibrate"] is None
    wflow_core.run(components, tmp_path / "run")
    found = wflow_core.load(tmp_path / "run").samples  # what was resolved is read back
    torch.testing.assert_close(found.weights, flow.samples.weights)
    default = WeightSet.from_module(flow.components.architecture.template, found.weights)
    assert torch.equal(found.buffers, default.buffers)


def test_runs_without_batch_norm_are_as_they_were(tmp_path: Path) -> None:
    for name, sample in {"on": "{networks: 4}", "off": "{networks: 4, recalibrate: null}"}.items():
        lines = {"sample": sample, "hooks": "[]", "metrics": "[task_score, loss_barrier]"}
        wflow_core.run(assemble(spec_from_text(tiny(**lines))), tmp_path / name)
    on, off = (json.loads((tmp_path / of / "metrics.json").read_text()) for of in ("on", "off"))
    on, off = (without_seconds(of | {"seconds": None}) for of in (on, off))
    assert on == off
    assert tensors(tmp_path / "on", "samples").keys() == tensors(tmp_path / "off", "samples").keys()


def test_what_is_built_at_another_architecture_recalibrates_that_one() -> None:
    wide = "{networks: 3, architecture: {type: mlp, hidden: [6]}}"
    components = assemble(spec_from_text(tiny(sample=wide)))
    other = components.stages["sample"].components(components)
    assert isinstance(other.architecture, Mlp)
    assert other.architecture is not components.architecture
    for c in (components, other):
        assert c.scope["recalibrate"].architecture is c.architecture
        assert all(metric.recalibrate is c.scope["recalibrate"] for metric in c.metrics)
