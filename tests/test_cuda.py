"""A CUDA device computes what the CPU computes, and training never has the host wait for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support import contract_of
from plugin_support import tiny
from torch import Tensor

import wflow_core
from wflow_core import registry
from wflow_core.flows.sampling import sample_points
from wflow_core.flows.training import Trainer
from wflow_core.interfaces.task import Signature
from wflow_core.specs.spec import spec_from_text
from wflow_core.testing.fixtures import seeded, small_network, small_task, small_zoo
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.matching.matching import match
from wflow_plugins.stages.train import encode_zoo
from wflow_plugins.zoos.batched_training import BatchedTraining, Optimizer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def contracts(kind: str) -> list[Any]:
    """One for each registered component of a kind."""
    found = [p for p in registry.plugins() if p.kind == kind]
    return [pytest.param(contract_of(p)(), id=p.name) for p in found]


def same(there: Tensor, here: Tensor, error: float = 1e-9) -> None:
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, atol=error, rtol=error)


@pytest.mark.parametrize("contract", contracts("velocity"))
def test_velocities(contract: Any) -> None:
    here, (x, t) = contract.velocity(), contract._points()
    there = copy.deepcopy(here).cuda()
    out = there(x.cuda(), t.cuda())
    same(out, here(x, t), 1e-4)
    out.square().sum().backward()
    here(x, t).square().sum().backward()
    for p, q in zip(there.parameters(), here.parameters(), strict=True):
        same(p.grad, q.grad, 1e-3)


@pytest.mark.parametrize("contract", contracts("manifold"))
def test_manifolds(contract: Any) -> None:
    m, x, u, v = contract.points()
    t, y = torch.linspace(0, 1, 6, dtype=x.dtype), m.expmap(x, v)
    for of, args in ((m.expmap, (x, u)), (m.logmap, (x, y)), (m.dist, (x, y))):
        same(of(*(a.cuda() for a in args)), of(*args))
    same(m.geodesic(x.cuda(), y.cuda(), t.cuda()), m.geodesic(x, y, t))


@pytest.mark.parametrize("contract", contracts("canonicalizer"))
def test_canonicalizers(contract: Any) -> None:
    zoo, here = contract.transformed()
    component = contract.make()
    component.fit(zoo.to(torch.device("cuda")))
    there = component.transform(zoo.to(torch.device("cuda")))
    same(there.weights, here.weights)
    same(there.initial, here.initial)


@pytest.mark.parametrize("contract", contracts("codec"))
def test_codecs(contract: Any) -> None:
    zoo = small_zoo()
    zoo = replace(zoo, weights=zoo.weights.double())
    here, there = contract.make(), contract.make()
    here.fit(zoo)
    there.fit(zoo.to(torch.device("cuda")))
    codes = here.encode(zoo.weights)
    same(there.encode(zoo.weights.cuda()), codes)
    same(there.decode(codes.cuda()), here.decode(codes))


@pytest.mark.parametrize("contract", contracts("guidance"))
def test_guidances(contract: Any) -> None:
    x, t = small_zoo().weights, torch.tensor(0.5)
    drift = contract.make().drift(x.cuda(), t.cuda())
    assert drift.device.type == "cuda"
    assert drift.shape == x.shape


def test_matching() -> None:
    mlp = Mlp(Signature((12,), 4), hidden=[24, 24])
    first, second = (mlp.initialize(6, seeded(seed)).double() for seed in (0, 1))
    here = match(mlp.symmetry, first, second)
    there = match(mlp.symmetry, first.cuda(), second.cuda())
    for group, perm in here.perm.items():
        assert torch.equal(there.perm[group].cpu(), perm)


# Together these take most components, and all stages, over a device.
RUNS: dict[str, dict[str, str | None]] = {
    "main job": {
        "train": "{iterations: 20, evaluate_every: 10, batch_size: 8, predict: x1, "
        "sigma: 0.01, losses: [{type: function, num_inputs: 16}]}",
        "metrics": "[task_score, model_average, novelty, diversity, calibration, disagreement, "
        "weight_distance, error_iou, likelihood, {type: loss_barrier, pairs: 2}, "
        "{type: fine_tuning, networks: 2, epochs: 1}]",
    },
    "spheres": {
        "canonicalizers": "[{type: sinkhorn_rebasin}, {type: relu_sphere}]",
        "manifold": "{type: relu_sphere}",
        "prior": "{type: gaussian, std: 0.316}",
        "coupling": "{type: ot, align: true}",
        "velocity": "{type: relational_transformer, layers: 2, width: 16, heads: 2}",
        "solver": "{type: guided_euler, steps: 4, noise: 0.1}",
        "guidance": "{type: task_loss, strength: 0.1}",
    },
    "components": {
        "task": "{type: digits, flat: false}",
        "architecture": "{type: resnet20, depth: 8, width: 2}",
        "canonicalizers": "[activation_matching, weight_matching]",
        "codec": "{type: pca, components: 4, residual: true}",
        "prior": "{type: gaussian}",
        "coupling": "independent",
        "velocity": "{type: bottleneck_mlp, width: 16}",
        "condition": "{type: covariates, names: [loss]}",
        "solver": "{type: dopri5, steps: 4}",
    },
    "heads": {
        "task": "{type: sentiment}",
        "architecture": "{type: bert, width: 8, heads: 2, intermediate: 6}",
        "zoo": "{type: train, networks: 12, epochs: 1, batch_size: 256}",
        "canonicalizers": "[transfusion, attention_gauge]",
        "solver": "{type: heun, steps: 4}",
        "velocity": "{type: pna, width: 16, layers: 1}",
        "coupling": "independent",
        "prior": "{type: gaussian}",
    },
}


@pytest.mark.parametrize("name", RUNS)
def test_runs(name: str, tmp_path: Path) -> None:
    """From zoo to metrics on the device; the same again, and what it left is read without one."""
    text = tiny(**{"hooks": "[]", **RUNS[name]})
    for out in ("one", "two"):
        wflow_core.run(wflow_core.assemble(spec_from_text(text)), tmp_path / out, "cuda")
    first, second = (wflow_core.load(tmp_path / out, device="cpu") for out in ("one", "two"))
    torch.testing.assert_close(first.zoo.weights, second.zoo.weights, atol=0, rtol=0)
    torch.testing.assert_close(first.samples.weights, second.samples.weights, atol=1e-3, rtol=1e-3)
    assert first.sample(2).weights.isfinite().all()
    assert wflow_core.load(tmp_path / "one", device="cuda").sample(2).weights.is_cuda


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever has the host wait for the device is an error."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def twice(step: Callable[[], object]) -> None:
    """The first may compile, cache and copy constants; the second may not wait."""
    step()
    with no_waiting():
        step()


@pytest.mark.parametrize("name", ["main job", "spheres"])
def test_nothing_waits_in_training_and_sampling(name: str) -> None:
    lines = {"hooks": "[]", **RUNS[name]}
    if name == "spheres":  # an assignment is solved on the host
        lines |= {"coupling": "independent", "guidance": None, "solver": "{type: heun, steps: 4}"}
    c = wflow_core.assemble(spec_from_text(tiny(**lines)))
    generator = torch.Generator("cuda").manual_seed(0)
    zoo = c.zoo.collect(generator)
    for canonicalizer in c.canonicalizers:
        canonicalizer.fit(zoo)
        zoo = canonicalizer.transform(zoo)
    stage, velocity = c.stages["train"], c.velocity.cuda()
    options, flow = stage.config, stage.flow(c)
    trainer = Trainer(
        flow, velocity, c.coupling, encode_zoo(c, zoo), options, options.optimizer, options.time,
        generator, stage._endpoint_loss(),
    )  # fmt: skip
    twice(trainer._step)
    twice(
        lambda: sample_points(flow, lambda _: flow.field(velocity), c.solver, c.prior, 4, generator)
    )


def test_nothing_waits_in_training_a_zoo() -> None:
    task, network = small_task(), small_network()
    start = small_zoo().to(torch.device("cuda"))
    training = BatchedTraining(network.template, start, task.objective, Optimizer(), 10)
    batch = task.splits["train"].to(torch.device("cuda"))
    twice(lambda: training.step(batch))
