"""Muon: what its updates are, which parameters it trains, and when it is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st
from plugin_support import tiny
from torch import Tensor, nn

import wflow_core
from wflow_core.errors import SpecError
from wflow_core.flows.flow import Flow
from wflow_core.flows.training import Trainer
from wflow_core.flows.training_options import TrainingOptions
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import PointSet, Space
from wflow_core.specs.spec import spec_from_text
from wflow_core.testing.fixtures import seeded, small_space
from wflow_plugins.couplings.independent import Independent
from wflow_plugins.optimizers.adamw import AdamW
from wflow_plugins.optimizers.muon import Muon
from wflow_plugins.optimizers.orthogonal_momentum import (
    LIKE_ADAMW,
    OrthogonalMomentum,
    orthogonalize,
)
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.times.uniform import Uniform
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
    turned = u.T @ orthogonalize(10.0**power * of) @ vh.T
    values = turned.diagonal()
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(turned, torch.diag(values), atol=1e-4, rtol=0)


def test_an_update_is_as_large_as_those_of_adamw() -> None:
    p = nn.Parameter(torch.zeros(24, 8))
    p.grad = matrix(24, 8)
    OrthogonalMomentum([p], lr=0.1).step()
    assert p.square().mean().sqrt().item() == pytest.approx(0.1 * LIKE_ADAMW, rel=0.15)
    assert (p * p.grad).sum() < 0  # down the gradient


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_it_is_that_of_torch_in_better_precision() -> None:
    ours, theirs = (nn.Parameter(matrix(12, 20, seed=1)) for _ in range(2))
    options = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.9}
    mine, oracle = (
        OrthogonalMomentum([ours], **options),
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
    adamw, muon = ([p for g in o.param_groups for p in g["params"]] for o in Muon().build(velocity))
    names = {id(p): n for n, p in velocity.named_parameters()}
    assert sorted(names[id(p)] for p in (*adamw, *muon)) == sorted(names.values())
    assert muon
    assert all(p.ndim == 2 and min(p.shape) >= 16 for p in muon)
    [only] = AdamW().build(velocity)
    assert len(only.param_groups[0]["params"]) == len(names)


def test_each_optimizer_has_its_rate_and_both_the_weight_decay() -> None:
    velocity = MlpVelocity(small_space(), width=16, layers=1)
    adamw, muon = Muon(lr=1e-3, muon_lr=1e-2, weight_decay=0.1).build(velocity)
    assert [o.param_groups[0]["lr"] for o in (adamw, muon)] == [1e-3, 1e-2]
    assert [o.param_groups[0]["weight_decay"] for o in (adamw, muon)] == [0.1, 0.1]


def test_rates_are_scheduled_as_fractions_of_their_own() -> None:
    space = small_space()
    velocity = MlpVelocity(space, width=16, layers=1)
    points = PointSet(torch.randn(20, space.dim, generator=seeded(0)), torch.arange(20))
    coupling = Independent(space, Gaussian(space))
    options = TrainingOptions(iterations=8, batch_size=4, warmup=4, grad_clip_norm=1.0)
    trainer = Trainer(
        Flow(space.manifold), velocity, coupling, points, options,
        Muon(lr=1e-3, muon_lr=1e-2), Uniform(), seeded(),
    )  # fmt: skip
    trainer._step()
    first, second = (o.param_groups[0]["lr"] for o in trainer.optimizers)
    assert 0 < first < 1e-3
    assert second == pytest.approx(10 * first)


def test_a_velocity_without_matrices_is_refused_before_anything_runs() -> None:
    text = tiny(velocity="{type: pna, width: 16}", train="{optimizer: muon}")
    with pytest.raises(SpecError) as caught:
        wflow_core.assemble(spec_from_text(text))
    assert str(caught.value).startswith(
        "spec:9:20: train.optimizer: Pna defines no hidden_matrices()"
    )


def test_by_default_a_velocity_names_none() -> None:
    class Own(Velocity):
        """Of a stranger."""

        def forward(self, x: Tensor, *_: object, **__: Tensor) -> Tensor:
            return x

        def fit_scales(self, x0: Tensor, x1: Tensor, displacement: Tensor) -> None: ...

        def displacement_scale(self) -> Tensor:
            return torch.ones(1)

    space: Space = small_space()
    assert Own(space).hidden_matrices() == []
