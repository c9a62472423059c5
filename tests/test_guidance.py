"""The guidance by the task's loss, alone and in the sampler."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from wflow_core.flows.flow import Flow
from wflow_core.flows.sampling import integrate
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.task import Split
from wflow_core.testing.fixtures import Flat, SmallTask, small_network
from wflow_core.testing.fixtures_curved import UnitSphere
from wflow_plugins.guidances import task_loss
from wflow_plugins.guidances.task_loss import TaskLoss
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.solvers.rk4 import Rk4

NETWORK = small_network()
DIM = NETWORK.symmetry.layout.size
HALF = torch.tensor(0.5)


class TrainingOnly(SmallTask):
    """Has no other rows that a guidance could look at."""

    def load(self) -> Mapping[str, Split]:
        return {"train": super().load()["train"]}


TASK = TrainingOnly()


def identity(z: Tensor) -> Tensor:
    return z


def make(**options: object) -> TaskLoss:
    return TaskLoss(TASK, NETWORK, identity, **options)


def points(n: int = 6, dtype: torch.dtype = torch.float32) -> Tensor:
    return NETWORK.initialize(n, torch.Generator().manual_seed(0)).to(dtype)


def loss(weights: Tensor, rows: int = 60) -> Tensor:
    """``[B, P] -> [B]``: mean over the first training rows."""
    data = TASK.splits["train"]
    outputs = NETWORK.batched(weights, data.x[:rows].to(weights.dtype))
    return TASK.objective.loss(outputs, data.y[:rows]).mean(-1)


def still(x: Tensor, t: Tensor) -> Tensor:
    return torch.zeros_like(x)


def curl(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(x + t.unsqueeze(-1)).roll(1, -1)


def sample(
    guidance: TaskLoss | None, model=still, predict="velocity", manifold: Manifold | None = None,
    solver=Euler, steps: int = 20,
) -> Tensor:  # fmt: skip
    manifold = manifold or Flat(DIM)
    flow = Flow(manifold, predict)
    with torch.no_grad():
        x0 = manifold.projx(points())
        return integrate(flow, flow.field(model), solver(steps=steps), x0, guidance=guidance)


def test_the_drift_is_minus_the_gradient_through_the_decoder() -> None:
    g = torch.Generator().manual_seed(1)
    z = torch.randn(3, 5, generator=g, dtype=torch.float64)
    basis, origin = torch.randn(5, DIM, generator=g, dtype=torch.float64) / 3, points(1).double()

    def decode(z: Tensor) -> Tensor:
        return origin + torch.tanh(z) @ basis

    with torch.no_grad():
        drift = TaskLoss(TASK, NETWORK, decode, strength=2.0).drift(z, HALF)
    h = 1e-6
    for k, unit in enumerate(torch.eye(5, dtype=torch.float64)):
        slope = (loss(decode(z + h * unit)) - loss(decode(z - h * unit))) / (2 * h)
        torch.testing.assert_close(drift[:, k], -2 * slope, atol=1e-8, rtol=1e-6)


def test_rows_in_chunks_are_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(dtype=torch.float64)
    whole = make().drift(x, HALF)
    monkeypatch.setattr(task_loss, "MAX_ENTRIES", 7 * x.shape[0] * 4)
    torch.testing.assert_close(make().drift(x, HALF), whole)


def test_the_subset_is_of_its_size_and_always_the_same() -> None:
    x, guidance = points(), make(batch_size=7)
    assert len(guidance._data_at(x, HALF)) == 7
    assert torch.equal(guidance.drift(x, HALF), make(batch_size=7).drift(x, torch.tensor(0.1)))
    assert not torch.equal(guidance.drift(x, HALF), make().drift(x, HALF))
    torch.testing.assert_close(make(batch_size=500).drift(x, HALF), make().drift(x, HALF))


def test_a_fresh_subset_is_decided_by_the_time_alone() -> None:
    x, times = points(), torch.linspace(0, 1, 65)[:-1]
    guidance = make(batch_size=7, resample=True)
    batches = [guidance._data_at(x, t) for t in times]
    assert {len(b) for b in batches} == {7}
    assert len({b.x.sum().item() for b in batches}) > 32
    again = make(batch_size=7, resample=True)
    assert torch.equal(guidance.drift(x, HALF), again.drift(x, HALF))
    torch.testing.assert_close(
        make(batch_size=500, resample=True).drift(x, HALF), make().drift(x, HALF)
    )


def test_fresh_subsets_cover_the_rows_evenly() -> None:
    x, guidance = points(), make(batch_size=15, resample=True)
    rows = len(TASK.splits["train"])
    seen = torch.cat([guidance._data_at(x, t / 512).x for t in torch.arange(512)])
    counts = (seen.unsqueeze(1) == TASK.splits["train"].x).all(-1).sum(0)
    assert int(counts.min()) > 0.5 * 512 * 15 / rows
    assert int(counts.max()) < 2 * 512 * 15 / rows


def test_the_window_of_time() -> None:
    x, guidance = points(), make(start=0.25, stop=0.5)
    for t, inside in [(0.0, False), (0.25, True), (0.5, True), (0.6, False)]:
        assert bool(guidance.drift(x, torch.tensor(t)).any()) == inside
    with pytest.raises(ValidationError, match="start"):
        make(start=0.5, stop=0.4)


@pytest.mark.parametrize("predict", ["velocity", "x1"])
@pytest.mark.parametrize("solver", [Euler, Rk4])
@pytest.mark.parametrize("manifold", [Flat(DIM), UnitSphere(DIM)], ids=["flat", "sphere"])
def test_strength_moves_the_loss(manifold: Manifold, solver: type, predict: str) -> None:
    plain, down, up = (
        loss(sample(make(strength=s), manifold=manifold, solver=solver, predict=predict))
        for s in (0.0, 1.0, -1.0)
    )
    assert (down < plain).all()
    assert (plain < up).all()
    assert up.mean() - down.mean() > 0.01


def test_on_another_device_nothing_is_read_by_the_host() -> None:
    x, t = points().to("meta"), HALF.to("meta")  # where any read is an error
    with pytest.raises(RuntimeError):
        bool(t > 0)
    for fresh in (False, True):
        drift = make(start=0.2, batch_size=9, resample=fresh).drift(x, t)
        assert (drift.shape, drift.device) == (x.shape, x.device)


def test_no_strength_changes_and_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TaskLoss, "_gradient", None)
    for predict in ("velocity", "x1"):
        guided = sample(make(strength=0.0), curl, predict)
        assert torch.equal(guided, sample(None, curl, predict))


def test_the_jump_to_the_target_is_guided_like_any_step() -> None:
    velocity, target = (sample(make(), curl, predict) for predict in ("velocity", "x1"))
    torch.testing.assert_close(velocity, target)
    assert loss(sample(make(), predict="x1", steps=1)).mean() < loss(points()).mean()


def test_only_the_tangential_part_of_the_drift_is_added() -> None:
    m, seen = UnitSphere(DIM), []

    class Watched(UnitSphere):
        def expmap(self, x: Tensor, u: Tensor) -> Tensor:
            seen.append((x * u).sum(-1))
            return super().expmap(x, u)

    x = sample(make(strength=5.0), manifold=Watched(DIM), predict="x1", steps=4)
    assert len(seen) == 4
    assert torch.stack(seen).abs().max() < 1e-6
    torch.testing.assert_close(m.projx(x), x)
