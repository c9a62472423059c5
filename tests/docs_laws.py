"""Laws of the example plugins under docs/extending, beyond the contract of their kind.

Each law takes the components of a run with the plugin, the metrics of that run, and the folder
that holds it as ``run``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wflow_core import BaselineContext, Components, GroupElement, PointSet, registry
from wflow_core.flows.sampling import time_grid
from wflow_core.storage.store import Store
from wflow_plugins.architectures.mlp import Mlp


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def _networks(c: Components, n: int = 5) -> Tensor:
    return c.architecture.initialize(n, _seeded()).double()


def _outputs(c: Components, weights: Tensor) -> Tensor:
    c.architecture.template.double()
    return c.architecture.batched(weights, c.task.splits["train"].x[:9].double())


def _task(c: Components, *_: Any) -> None:
    assert set(c.task.splits) == {"train", "val", "test"}
    assert all(len(split) == 200 for split in c.task.splits.values())


def _architecture(c: Components, *_: Any) -> None:
    symmetry, w = c.architecture.symmetry, _networks(c)
    scale = symmetry.random(len(w), _seeded(), torch.float64).scale
    moved = symmetry.act(w, GroupElement(scale=scale))
    torch.testing.assert_close(_outputs(c, moved), _outputs(c, w), rtol=1e-12, atol=1e-12)
    before, after = symmetry.layout.unflatten(w), symmetry.layout.unflatten(moved)
    assert torch.equal(after["gate.weight"], before["gate.weight"])
    by = scale["hidden"].unsqueeze(-1)
    torch.testing.assert_close(after["value.weight"], by * before["value.weight"])


def _zoo(c: Components, metrics: Any, _: Path) -> None:
    assert len(c.zoo.collect(_seeded())) == 6
    assert "retrained" not in metrics["baselines"]


def _canonicalizer(c: Components, *_: Any) -> None:
    (canonicalizer,), symmetry, w = c.canonicalizers, c.architecture.symmetry, _networks(c)
    once = symmetry.act(w, canonicalizer.group_element(w))
    torch.testing.assert_close(_outputs(c, once), _outputs(c, w), rtol=0, atol=1e-12)
    perm = symmetry.random(len(w), _seeded(), torch.float64).perm
    other = symmetry.act(w, GroupElement(perm))
    for same in (once, other):
        torch.testing.assert_close(symmetry.act(same, canonicalizer.group_element(same)), once)


def _codec(c: Components, *_: Any) -> None:
    assert c.codec is not None
    z = torch.randn(4, 8, generator=_seeded())
    assert c.codec.dim == c.space.dim == 8
    torch.testing.assert_close(c.codec.encode(c.codec.decode(z)), z, rtol=0, atol=1e-5)


def _manifold(c: Components, *_: Any) -> None:
    m, (x, y) = c.space.manifold, torch.randn(2, 4, c.space.dim, generator=_seeded())
    torch.testing.assert_close(m.expmap(x, m.logmap(x, y)), y)
    torch.testing.assert_close(m.dist(x, y), m.dist(y, x))
    part = c.architecture.symmetry.graph.block_ids
    of_part = [m.inner(x, *[(part == k).float().expand_as(x)] * 2) for k in part.unique()]
    torch.testing.assert_close(torch.stack(of_part), torch.full((6, 4), c.space.dim / 6))


def _prior(c: Components, *_: Any) -> None:
    x = c.prior.sample(4000, _seeded())
    assert abs(x.abs().mean().item() - 0.3) < 0.01
    entropy = c.space.dim * (1 + math.log(2 * 0.3))
    assert abs(-c.prior.log_prob(x).mean().item() / entropy - 1) < 0.01


def _coupling(c: Components, *_: Any) -> None:
    zoo = c.zoo.collect(_seeded())
    points = PointSet(zoo.weights, zoo.run)
    x0, x1, index = c.coupling.sample_pairs(points, 7, _seeded())
    prior = c.prior.sample(7, _seeded())
    torch.testing.assert_close(x0.sum(1).sort().values, prior.sum(1).sort().values)
    assert torch.equal(x1, points.x[index])


def _velocity(c: Components, *_: Any) -> None:
    velocity = copy.deepcopy(c.velocity).double()
    with torch.no_grad():
        for p in velocity.parameters():
            p.copy_(torch.randn(p.shape, generator=_seeded()))
    for hidden in (c.architecture.config.hidden, (7, 3)):
        symmetry = Mlp(c.task.signature, hidden=hidden).symmetry
        x = torch.randn(3, symmetry.layout.size, generator=_seeded(), dtype=torch.float64)
        t, element = torch.tensor([0.1, 0.5, 0.9]).double(), symmetry.random(3, _seeded())
        element = GroupElement(element.perm)
        moved = velocity(symmetry.act(x, element), t, symmetry)
        expected = symmetry.act(velocity(x, t, symmetry), element)
        torch.testing.assert_close(moved, expected, rtol=0, atol=1e-12)


def _solver(c: Components, *_: Any) -> None:
    x = torch.ones(1, 1, dtype=torch.float64)
    ends = {}
    for n in (20, 40):
        grid = time_grid(n).double()
        *_, (_, ends[n]) = c.solver.steps(lambda t, x: x * (1 + t), x, grid, c.space.manifold)
    errors = [abs(ends[n].item() - math.exp(1.5)) for n in ends]
    assert 3.5 < errors[0] / errors[1] < 4.5


def _guidance(c: Components, *_: Any) -> None:
    assert c.guidance is not None
    x = torch.randn(3, c.space.dim, generator=_seeded())
    torch.testing.assert_close(c.guidance.drift(x, torch.tensor(0.5)), -0.05 * x)


def _metric(c: Components, metrics: Any, _: Path) -> None:
    found = [metrics["zoo"], metrics["samples"], *metrics["baselines"].values()]
    assert all(0.5 <= of["confidence"]["mean"] <= 1 for of in found)


def _hook(c: Components, metrics: Any, folder: Path) -> None:
    lines = (folder / "run/seconds.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["collect", "train", "sample", "evaluate"]


def _condition(c: Components, *_: Any) -> None:
    assert c.condition is not None
    zoo = c.zoo.collect(_seeded())
    cond = c.condition.of_networks(zoo)
    torch.testing.assert_close(1000 * cond, zoo.step.float().unsqueeze(1))
    wanted = c.condition.sample({"step": 100}, 3, lambda: zoo, 1.0, _seeded())
    torch.testing.assert_close(wanted, torch.full((3, 1), 0.1))


def _loss(c: Components, *_: Any) -> None:
    (loss,) = c.stages["train"].config.losses
    x = torch.randn(3, c.space.dim, generator=_seeded())
    assert not loss(x, x).any()
    torch.testing.assert_close(loss(2 * x, x), 0.5 * x.square().sum(1))


def _optimizer(c: Components, *_: Any) -> None:
    (optimizer,) = c.stages["train"].config.optimizer.build(c.velocity)
    assert isinstance(optimizer, torch.optim.SGD)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3]


def _time(c: Components, *_: Any) -> None:
    t = c.stages["train"].config.time.sample(4000, _seeded())
    assert abs(t.mean().item() - 1 / 4) < 0.02
    assert abs(t.square().mean().item() - 1 / 7) < 0.02


def _stage(c: Components, metrics: Any, folder: Path) -> None:
    store = Store(folder / "run")
    assert metrics["kept"] == 3
    kept, zoo = (store.load(name).tensors for name in ("kept", "zoo"))
    assert len(kept["weights"]) == 3
    assert len(zoo["weights"]) == 6


def _baseline(c: Components, metrics: Any, _: Path) -> None:
    assert [*metrics["baselines"]] == ["untrained", "diagonal_gaussian"]
    zoo = c.zoo.collect(_seeded())
    many = zoo[torch.zeros(4000, dtype=torch.int64)]
    context = BaselineContext(c.architecture, c.zoo, zoo, many, _seeded())
    made, mean, std = c.baselines["diagonal_gaussian"].make(context).weights, *_moments(zoo.weights)
    assert bool(((made.mean(0) - mean).abs() <= 6 * std / 4000**0.5 + 1e-6).all())
    assert bool(((made.std(0) - std).abs() <= 6 * std / 8000**0.5 + 1e-6).all())


def _moments(weights: Tensor) -> tuple[Tensor, Tensor]:
    return weights.mean(0), weights.std(0)


LAWS: dict[str, Callable[..., None]] = {kind: globals()[f"_{kind}"] for kind in registry.KINDS}
