"""Solvers: their order on flat and curved spaces, their noise, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.manifold import Manifold
from wflow_core.testing.fixtures_curved import UnitSphere
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.manifolds.geoopt import GeooptManifold
from wflow_plugins.solvers.dopri5 import Dopri5
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.solvers.guided_euler import GuidedEuler
from wflow_plugins.solvers.heun import Heun
from wflow_plugins.solvers.rk4 import Rk4

DIM = 4
SPIN = torch.tensor(
    [[0, 0, 0, 0], [0, 0, -1, 0.5], [0, 1, 0, -2], [0, -0.5, 2, 0]], dtype=torch.float64
)
"""Rotations of all coordinates but the first: isometries of every manifold below."""

MANIFOLDS = {
    "flat": Euclidean(DIM),
    "sphere": UnitSphere(DIM),
    "Lorentz": GeooptManifold(DIM, name="Lorentz"),
    "PoincareBall": GeooptManifold(DIM, name="PoincareBall"),
}


def rotation(t: Tensor, x: Tensor) -> Tensor:
    """A rotation that gains speed; carries x to ``exp((t + t^2 / 2) SPIN) x``."""
    return (1 + t) * x @ SPIN.T


def start(manifold: Manifold, n: int = 3) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return manifold.projx(0.1 * torch.randn(n, DIM, generator=g, dtype=torch.float64))


def end(solver: object, field: Callable[..., Tensor], x: Tensor, manifold: Manifold) -> Tensor:
    grid = torch.linspace(0, 1, solver.config.steps + 1, dtype=x.dtype)
    generator = torch.Generator().manual_seed(0)
    *_, (_, y) = solver.steps(field, x, grid, manifold, generator)
    return y


@pytest.mark.parametrize("name", MANIFOLDS)
@pytest.mark.parametrize(("solver", "order"), [(Euler, 1), (Heun, 2), (Rk4, 4)])
def test_the_order_holds_on_manifolds(solver: type, order: int, name: str) -> None:
    m = MANIFOLDS[name]
    x = start(m)
    right = x @ torch.linalg.matrix_exp(1.5 * SPIN).T
    steps = torch.tensor([16.0, 32.0, 64.0, 128.0])
    errors = [(end(solver(steps=int(n)), rotation, x, m) - right).abs().max().item() for n in steps]
    slope = torch.diff(torch.tensor(errors).log()) / torch.diff(steps.log())
    torch.testing.assert_close(slope[1:], torch.full((2,), -float(order)), atol=0.15, rtol=0)


@pytest.mark.parametrize("solver", [Heun, Rk4])
def test_stages_and_end_are_on_the_manifold(solver: type) -> None:
    m, seen = UnitSphere(DIM), []

    def field(t: Tensor, x: Tensor) -> Tensor:
        seen.append(x)
        return m.proju(x, 5 * torch.ones_like(x))

    seen.append(end(solver(steps=3), field, start(m), m))
    for x in seen:
        torch.testing.assert_close(x.norm(dim=-1), torch.ones(3, dtype=torch.float64))


def test_without_noise_guided_euler_is_euler_and_draws_nothing() -> None:
    m, g = UnitSphere(DIM), torch.Generator().manual_seed(0)
    before = g.get_state()
    grid = torch.linspace(0, 1, 9)
    quiet = list(GuidedEuler().steps(rotation, start(m), grid, m, g))
    plain = list(Euler().steps(rotation, start(m), grid, m, g))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(quiet, plain, strict=True))
    assert torch.equal(g.get_state(), before)


@pytest.mark.parametrize("steps", [10, 80])
@pytest.mark.parametrize(("first", "last"), [(0.0, 1.0), (0.3, 0.8), (0.9, 1.0), (0.5, 0.5)])
def test_noise_has_its_size_whatever_the_steps(first: float, last: float, steps: int) -> None:
    solver = GuidedEuler(steps=steps, noise=0.6, noise_start=first, noise_end=last)
    x = end(solver, lambda t, x: torch.zeros_like(x), torch.zeros(5000, DIM), Euclidean(DIM))
    assert x.std().item() == pytest.approx(0.6 * math.sqrt(last - first), rel=0.02)


def test_noise_stays_on_the_manifold_and_follows_the_generator() -> None:
    m, solver = UnitSphere(DIM), GuidedEuler(steps=8, noise=2.0)
    x = end(solver, rotation, start(m, 50), m)
    torch.testing.assert_close(x.norm(dim=-1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(x, end(solver, rotation, start(m, 50), m))
    other = torch.Generator().manual_seed(1)
    *_, (_, y) = solver.steps(rotation, start(m, 50), torch.linspace(0, 1, 9).double(), m, other)
    assert (x - y).abs().max() > 0.1
    assert solver.stochastic
    assert not GuidedEuler().stochastic


@pytest.mark.parametrize("options", [{"noise_start": 0.6, "noise_end": 0.5}, {"noise": -1.0}])
def test_noise_that_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="noise"):
        GuidedEuler(**options)


class Waits(TorchDispatchMode):
    """Counts how often a tensor is read by the host, as ``.item()`` and ``if`` do."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("solver", [Euler(), Heun(), Rk4(), GuidedEuler(noise=0.1, noise_end=0.5)])
def test_the_loop_never_waits_for_the_device(solver: object) -> None:
    with Waits() as waits:
        end(solver, lambda t, x: t - x, torch.zeros(3, DIM), Euclidean(DIM))
    assert waits.count == 0
    with Waits() as waits:
        float(torch.zeros(()))
    assert waits.count == 1


def test_dopri5_is_as_exact_as_asked_and_stays_within_the_grid() -> None:
    m, times = MANIFOLDS["flat"], []

    def field(t: Tensor, x: Tensor) -> Tensor:
        times.append(t.item())
        return rotation(t, x)

    x, right = start(m), start(m) @ torch.linalg.matrix_exp(1.5 * SPIN).T
    calls = []
    for tolerance in (1e-4, 1e-6, 1e-8):
        times.clear()
        error = (end(Dopri5(rtol=tolerance, atol=tolerance), field, x, m) - right).abs().max()
        assert error < 10 * tolerance
        assert 0 <= min(times) <= max(times) <= 1
        calls.append(len(times))
    assert calls[0] < 64 < calls[2]


def test_dopri5_in_pieces_is_dopri5_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    m, x, grid = MANIFOLDS["flat"], start(MANIFOLDS["flat"]), torch.linspace(1, 0, 11).double()
    whole = list(Dopri5().steps(rotation, x, grid, m))
    monkeypatch.setattr("wflow_plugins.solvers.dopri5.MAX_ENTRIES", 3 * x.numel())
    pieces = list(Dopri5().steps(rotation, x, grid, m))
    assert [float(t) for t, _ in pieces] == [float(t) for t, _ in whole] == grid[1:].tolist()
    for (_, a), (_, b) in zip(whole, pieces, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "field",
    [
        lambda t, x: x * x,  # infinite at t = 1 / x
        lambda t, x: torch.where(t > 0.5, torch.nan, 1.0) * x,
        lambda t, x: torch.sign(torch.sin(1e5 * t)) * 1e3 + x,
    ],
)
def test_dopri5_says_when_it_cannot_go_on(field: Callable[..., Tensor]) -> None:
    with pytest.raises(UnsupportedError, match=r"dopri5 fails on this field.*rtol"):
        end(Dopri5(max_evaluations=3000), field, torch.full((2, DIM), 2.0), Euclidean(DIM))


def test_an_assertion_of_the_field_stays_its_own() -> None:
    def field(t: Tensor, x: Tensor) -> Tensor:
        raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine"):
        end(Dopri5(), field, torch.zeros(1, DIM), Euclidean(DIM))
