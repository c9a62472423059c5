"""What the page of each example plugin states of it, beyond the contract of its kind.

Each law takes the assembly of a run with the plugin, the metrics of that run, and its folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wflow_core import registry
from wflow_core.assembly.assembly import Assembly
from wflow_core.flows.sampling import time_grid
from wflow_core.space import PointSet
from wflow_core.symmetry import GroupElement


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def _networks(a: Assembly, n: int = 5) -> Tensor:
    return a.architecture.initialize(n, _seeded()).double()


def _outputs(a: Assembly, weights: Tensor) -> Tensor:
    a.architecture.template.double()
    return a.architecture.batched(weights, a.task.splits["train"].x[:9].double())


def _task(a: Assembly, *_: Any) -> None:
    assert set(a.task.splits) == {"train", "val", "test"}
    assert all(len(split) == 200 for split in a.task.splits.values())


def _zoo(a: Assembly, metrics: Any, _: Path) -> None:
    assert len(a.zoo.collect(_seeded())) == 6
    assert "retrained" not in metrics["nulls"]


def _canonicalizer(a: Assembly, *_: Any) -> None:
    (canonicalizer,), symmetry, w = a.canonicalizers, a.architecture.symmetry, _networks(a)
    once = symmetry.act(w, canonicalizer.group_element(w))
    torch.testing.assert_close(_outputs(a, once), _outputs(a, w), rtol=0, atol=1e-12)
    perm = symmetry.random(len(w), _seeded(), torch.float64).perm
    other = symmetry.act(w, GroupElement(perm))
    for same in (once, other):
        torch.testing.assert_close(symmetry.act(same, canonicalizer.group_element(same)), once)


def _codec(a: Assembly, *_: Any) -> None:
    assert a.codec is not None
    z = torch.randn(4, 8, generator=_seeded())
    assert a.codec.dim == a.space.dim == 8
    torch.testing.assert_close(a.codec.encode(a.codec.decode(z)), z, rtol=0, atol=1e-5)


def _manifold(a: Assembly, *_: Any) -> None:
    m, (x, y) = a.space.manifold, torch.randn(2, 4, a.space.dim, generator=_seeded())
    torch.testing.assert_close(m.expmap(x, m.logmap(x, y)), y)
    torch.testing.assert_close(m.dist(x, y), m.dist(y, x))
    part = a.architecture.symmetry.graph.block_ids
    of_part = [m.inner(x, *[(part == k).float().expand_as(x)] * 2) for k in part.unique()]
    torch.testing.assert_close(torch.stack(of_part), torch.full((6, 4), a.space.dim / 6))


def _prior(a: Assembly, *_: Any) -> None:
    x = a.prior.sample(4000, _seeded())
    assert abs(x.abs().mean().item() - 0.3) < 0.01
    entropy = a.space.dim * (1 + math.log(2 * 0.3))
    assert abs(-a.prior.log_prob(x).mean().item() / entropy - 1) < 0.01


def _coupling(a: Assembly, *_: Any) -> None:
    zoo = a.zoo.collect(_seeded())
    points = PointSet(zoo.weights, zoo.run)
    x0, x1 = a.coupling.draw(points, 7, _seeded())
    prior = a.prior.sample(7, _seeded())
    torch.testing.assert_close(x0.sum(1).sort().values, prior.sum(1).sort().values)
    assert bool((torch.cdist(x1, points.x).amin(1) < 1e-4).all())


def _solver(a: Assembly, *_: Any) -> None:
    x = torch.ones(1, 1, dtype=torch.float64)
    ends = {}
    for n in (20, 40):
        grid = time_grid(n).double()
        *_, (_, ends[n]) = a.solver.steps(lambda t, x: x * (1 + t), x, grid, a.space.manifold)
    errors = [abs(ends[n].item() - math.exp(1.5)) for n in ends]
    assert 3.5 < errors[0] / errors[1] < 4.5


def _guidance(a: Assembly, *_: Any) -> None:
    assert a.guidance is not None
    x = torch.randn(3, a.space.dim, generator=_seeded())
    torch.testing.assert_close(a.guidance.drift(x, torch.tensor(0.5)), -0.05 * x)


def _metric(a: Assembly, metrics: Any, _: Path) -> None:
    found = [metrics["zoo"], metrics["samples"], *metrics["nulls"].values()]
    assert all(0.5 <= of["confidence"]["mean"] <= 1 for of in found)


def _hook(a: Assembly, metrics: Any, folder: Path) -> None:
    lines = (folder / "run/seconds.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["collect", "train", "sample", "evaluate"]


def _none(*_: Any) -> None:
    pass


LAWS: dict[str, Callable[..., None]] = {
    kind: globals().get(f"_{kind}", _none) for kind in registry.KINDS
}
