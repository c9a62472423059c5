"""Muon: what its updates are, which parameters it trains, and when it is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st
from plugin_support import tiny
from torch import Tensor, nn
from wflow_core.flows.optimizing import VelocityOptimizer
from wflow_core.specs.options import TrainOptions

import wflow_core
from wflow_core.errors import SpecError
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_core.specs.spec import spec_from_text
from wflow_core.testing.world import seeded, small_space
from wflow_plugins.optimizers.orthogonal_momentum import LIKE_ADAMW, Muon, orthogonalized
from wflow_plugins.velocities.mlp import MlpVelocity
from wflow_plugins.velocities.neuron_transformer import NeuronTransformer

VELOCITIES = {
    "mlp": lambda space: MlpVelocity(space, width=16, layers=2),
    "neuron transformer": lambda space: NeuronTransformer(space, width=16, heads=2, layers=2),
    "gated": lambda space: NeuronTransformer(space, width=16, heads=2, layers=1, gated=True),
}


def matrix(a: int, b: int, seed: int = 0, spread: float = 3.0) -> Tensor:
    """Singular values between 1 and ``1 / spread``."""
    u, s, vh = torch.linalg.svd(torch.randn(a, b, generator=seeded(seed)), full_matrices=False)
    return u @ torch.diag(torch.linspace(1, 1 / spread, len(s))) @ vh


@given(a=st.integers(1, 12), b=st.integers(1, 12), seed=st.integers(0, 9), power=st.integers(-6, 6))
def test_singular_vectors_stay_and_values_come_near_one(
    a: int, b: int, seed: int, power: int
) -> None:
    of = matrix(a, b, seed)
    u, _, vh = torch.linalg.svd(of, full_matrices=False)
    turned = u.T @ orthogonalized(10.0**power * of) @ vh.T
    values = turned.diagonal()
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(turned, torch.diag(values), atol=1e-4, rtol=0)


def test_an_update_is_as_large_as_those_of_adamw() -> None:
    p = nn.Parameter(torch.zeros(24, 8))
    p.grad = matrix(24, 8)
    Muon([p], lr=0.1).step()
    assert p.square().mean().sqrt().item() == pytest.approx(0.1 * LIKE_ADAMW, rel=0.15)
    assert (p * p.grad).sum() < 0  # down the gradient


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_it_is_that_of_torch_in_better_precision() -> None:
    ours, theirs = (nn.Parameter(matrix(12, 20, seed=1)) for _ in range(2))
    options = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.9}
    mine, oracle = (
        Muon([ours], **options),
        torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **options),
    )
    start = ours.detach().clone()
    for step in range(6):
        for p, optimizer in ((ours, mine), (theirs, oracle)):
            p.grad = matrix(12, 20, seed=10 + step)
            optimizer.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved  # theirs iterates in bfloat16


@pytest.mark.parametrize("name", VELOCITIES)
def test_each_parameter_is_trained_by_one_optimizer(name: str) -> None:
    velocity = VELOCITIES[name](small_space())
    both = VelocityOptimizer(velocity, TrainOptions(muon_lr=1e-2))
    adamw, muon = ([p for g in o.param_groups for p in g["params"]] for o in both.optimizers)
    names = {id(p): n for n, p in velocity.named_parameters()}
    assert sorted(names[id(p)] for p in (*adamw, *muon)) == sorted(names.values())
    assert muon
    assert all(p.ndim == 2 and min(p.shape) >= 16 for p in muon)
    [only] = VelocityOptimizer(velocity, TrainOptions()).optimizers
    assert len(only.param_groups[0]["params"]) == len(names)


def test_rates_are_fractions_of_their_own() -> None:
    velocity = MlpVelocity(small_space(), width=16, layers=1)
    both = VelocityOptimizer(velocity, TrainOptions(lr=1e-3, muon_lr=1e-2))
    for p in velocity.parameters():
        p.grad = torch.ones_like(p)
    both.step(0.5)
    assert [o.param_groups[0]["lr"] for o in both.optimizers] == [5e-4, 5e-3]


def test_a_velocity_without_matrices_is_refused_before_anything_runs() -> None:
    text = tiny(velocity="{type: pna, width: 16}", train="{muon_lr: 1e-2}")
    with pytest.raises(SpecError) as caught:
        wflow_core.assemble(spec_from_text(text))
    assert str(caught.value).startswith(
        "spec:9:18: train.muon_lr: Pna names no matrices between hidden features"
    )


def test_by_default_a_velocity_names_none() -> None:
    class Own(Velocity):
        """Of a stranger."""

        def forward(self, x: Tensor, *_: object, **__: Tensor) -> Tensor:
            return x

        def standardize(self, x0: Tensor, x1: Tensor) -> None: ...

        def displacement_scale(self) -> Tensor:
            return torch.ones(1)

    space: Space = small_space()
    assert Own(space).hidden_matrices() == []
