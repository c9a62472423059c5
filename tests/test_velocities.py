from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings, strategies as st

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Signature
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_core.symmetry import GroupElement
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.velocities.mlp import MlpVelocity
from wflow_plugins.velocities.neuron_transformer import NeuronTransformer
from wflow_plugins.velocities.pna import Pna
from wflow_plugins.velocities.relational_transformer import RelationalTransformer

WIDTHS = [(7,), (6, 5), (4, 5, 6), (16, 16)]


def space(hidden: tuple[int, ...]) -> Space:
    symmetry = Mlp(Signature((5,), 3), hidden=hidden).symmetry
    return Space(Euclidean(symmetry.layout.size, symmetry), symmetry)


def lively(velocity: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Every parameter random, so that nothing is hidden behind a head that starts at zero."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in velocity.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * 0.2)
    return velocity


def points(s: Space, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, s.dim, generator=g), torch.rand(n, generator=g), g


Make = Callable[..., Velocity]
Gated = partial(NeuronTransformer, gated=True)
EQUIVARIANT = [NeuronTransformer, pytest.param(Gated, id="gated"), RelationalTransformer, Pna]


def small(cls: Make, s: Space, layers: int = 2) -> Velocity:
    return cls(s, width=24, layers=layers, **({} if cls is Pna else {"heads": 3}))


@pytest.mark.parametrize("cls", EQUIVARIANT)
@pytest.mark.parametrize("hidden", WIDTHS, ids=str)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), layers=st.integers(1, 3))
def test_commutes_with_permutations(
    hidden: tuple[int, ...], cls: Make, seed: int, layers: int
) -> None:
    s = space(hidden)
    v = lively(small(cls, s, layers))
    x, t, g = points(s, 3, seed)
    perm = GroupElement(s.symmetry.random(3, g).perm)
    with torch.no_grad():
        displacement = torch.randn(x.shape, generator=g)
        v.fit_scales(x, x + displacement, displacement)
        out, moved = v(x, t), v(s.symmetry.act(x, perm), t)
    assert out.std() > 0.1
    assert (moved - s.symmetry.act(out, perm)).abs().max() < 1e-5 * max(1, out.abs().max().item())
    if any(h > 1 for h in hidden):
        assert (moved - out).abs().max() > 1e-2


@pytest.mark.parametrize("cls", EQUIVARIANT)
@pytest.mark.parametrize("hidden", WIDTHS, ids=str)
def test_runs_at_another_width(hidden: tuple[int, ...], cls: Make) -> None:
    narrow, large = space(hidden), space(tuple(3 * h for h in hidden))
    v = lively(small(cls, narrow))
    x, t, g = points(large, 2, 0)
    perm = GroupElement(large.symmetry.random(2, g).perm)
    with torch.no_grad():
        out = v(x, t, large.symmetry)
        moved = v(large.symmetry.act(x, perm), t, large.symmetry)
    assert out.shape == x.shape
    assert (moved - large.symmetry.act(out, perm)).abs().max() < 2e-5 * out.abs().max()
    count = sum(p.numel() for p in v.parameters())
    assert count == sum(p.numel() for p in small(cls, large).parameters())


@pytest.mark.parametrize("cls", [*EQUIVARIANT, MlpVelocity])
def test_velocities_start_at_zero_and_see_the_time(cls: Make) -> None:
    s = space((6, 5))
    v = cls(s, width=24)
    x, t, _ = points(s, 4, 0)
    assert v(x, t).abs().max() == 0
    v = lively(v)
    assert (v(x, t) - v(x, 1 - t)).abs().max() > 1e-3


@pytest.mark.parametrize("cls", [*EQUIVARIANT, MlpVelocity])
def test_every_weight_and_parameter_matters(cls: Make) -> None:
    """The output depends on every input coordinate, and the loss on every parameter."""
    s = space((4, 3))
    v = lively(cls(s, width=24))
    x, t, _ = points(s, 2, 0)
    x.requires_grad_()
    v(x, t).square().sum().backward()
    assert (x.grad.abs() > 0).all()
    unused = [n for n, p in v.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unused == []


@pytest.mark.parametrize("cls", [*EQUIVARIANT, MlpVelocity])
def test_scales_are_one_a_part(cls: Make) -> None:
    s = space((6, 5))
    v = cls(s, width=24)
    g = torch.Generator().manual_seed(0)
    size = s.symmetry.graph.block_ids.float() + 1
    x0 = torch.zeros(500, s.dim)
    x1 = size * torch.randn(500, s.dim, generator=g)
    v.fit_scales(x0, x1, x1 - x0)
    torch.testing.assert_close(v.displacement_scale(), size, rtol=0.1, atol=0)
    assert v.displacement_scale().unique().numel() == len(s.symmetry.graph.blocks)


def test_gates_cost_no_parameters() -> None:
    s = space((6, 5))
    plain, gated = (make(s, width=24, layers=1) for make in (NeuronTransformer, Gated))
    count, other = (sum(p.numel() for p in v.parameters()) for v in (plain, gated))
    assert abs(other / count - 1) < 0.02
    assert plain.state_dict().keys() != gated.state_dict().keys()


def test_mlp_velocity_refuses_another_width() -> None:
    v = MlpVelocity(space((6,)), width=8)
    other = space((7,))
    with pytest.raises(UnsupportedError, match="neuron_transformer"):
        v(torch.zeros(1, other.dim), torch.zeros(1), other.symmetry)


def test_without_symmetry_one_scale_serves_all() -> None:
    s = Space(Euclidean(9))
    v = lively(MlpVelocity(s, width=8))
    assert v(torch.randn(2, 9), torch.rand(2)).shape == (2, 9)
    x1 = torch.full((100, 9), 2.0)
    v.fit_scales(torch.zeros(100, 9), x1, x1)
    assert v.displacement_scale().tolist() == [2.0] * 9
