"""Training: what is kept, resumed and refused."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch

import wflow_core
from wflow_core.errors import DataError
from wflow_core.flows.flow import Flow
from wflow_core.flows.training import Trainer
from wflow_core.flows.training_options import TrainingOptions
from wflow_core.interfaces.optimizer import Optimizer
from wflow_core.space import PointSet, Space
from wflow_plugins.couplings.independent import Independent
from wflow_plugins.couplings.trajectory import Trajectory
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.optimizers.adamw import AdamW
from wflow_plugins.optimizers.muon import Muon
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.stages.points import split_by_run
from wflow_plugins.stages.validation import Validation
from wflow_plugins.times.uniform import Uniform
from wflow_plugins.velocities.mlp import MlpVelocity

DIM = 4
SPACE = Space(Euclidean(DIM))


def points(runs: int = 40, snapshots: int = 3) -> PointSet:
    g = torch.Generator().manual_seed(1)
    x = 2 + 0.5 * torch.randn(runs * snapshots, DIM, generator=g)
    return PointSet(x, torch.arange(runs).repeat(snapshots), x - 2)


def trainer(
    zoo: PointSet | None = None, optimizer: Optimizer | None = None, **options: object
) -> tuple[Trainer, Callable[..., dict[str, float]]]:
    """A trainer, and what measures its velocity."""
    o = TrainingOptions(
        **({"iterations": 60, "evaluate_every": 20, "checkpoint_every": 20, "warmup": 0} | options)
    )
    torch.manual_seed(0)
    velocity = MlpVelocity(SPACE, width=32, layers=1)
    coupling = Independent(SPACE, Gaussian(SPACE))
    g = torch.Generator().manual_seed(0)
    kept, held_out = split_by_run(zoo or points(), o.val_fraction, g)
    flow, optimizer = Flow(SPACE.manifold), optimizer or AdamW()
    trained = Trainer(flow, velocity, coupling, kept, o, optimizer, Uniform(), g)
    return trained, Validation(trained, held_out, Euler(steps=4)).measure


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def unpacked(of: Trainer) -> dict[str, Any]:
    """Its state, whose bytes depend on how tensors lie in memory."""
    (packed,) = of.state()[0].values()
    return torch.load(BytesIO(packed.numpy().tobytes()), weights_only=True)


@pytest.mark.parametrize("optimizer", [AdamW(), Muon()], ids=["adamw", "muon"])
def test_a_resumed_training_is_the_undisturbed_one(optimizer: Optimizer) -> None:
    (whole, measure), saved = trainer(optimizer=optimizer), []

    def save(tensors: dict, data: dict) -> None:
        saved.append(({k: v.clone() for k, v in tensors.items()}, dict(data)))

    whole.run(measure, save=save)
    assert len(saved) == 2  # none at the end, where the velocity itself is kept
    resumed, measure = trainer(optimizer=optimizer)
    resumed.load_state(*saved[0])
    assert resumed.iteration == 20
    resumed.run(measure)
    assert same(whole.velocity.state_dict(), resumed.velocity.state_dict())
    assert whole.history == resumed.history
    torch.testing.assert_close(unpacked(whole), unpacked(resumed), atol=0, rtol=0)


@pytest.mark.parametrize("optimizer", [AdamW(lr=3e-3), Muon(lr=3e-3, muon_lr=3e-3)], ids=repr)
def test_training_lowers_the_validation_loss(optimizer: Optimizer) -> None:
    t, measure = trainer(iterations=300, evaluate_every=5, optimizer=optimizer)
    t.run(measure)
    assert t.history[-1]["val_loss"] < 0.8 * t.history[0]["val_loss"]
    assert t.history[-1]["spread_ratio"] > 0


def test_the_spread_of_a_single_held_out_run_is_not_measured() -> None:
    t, measure = trainer(points(runs=4, snapshots=1))
    assert "spread_ratio" not in measure(t.velocity)


def test_the_best_average_is_kept_not_the_last() -> None:
    t, _ = trainer()
    measured = iter([3.0, 1.0, 2.0])
    kept = []
    t.run(lambda model: kept.append(t.average.state()) or {"val_loss": next(measured)})
    assert same(t.velocity.state_dict(), kept[1])
    assert not same(kept[1], kept[2])


def test_held_out_runs_are_whole_and_never_trained_on() -> None:
    zoo = points()
    kept, out = split_by_run(zoo, 0.25, torch.Generator().manual_seed(0))
    assert len(out.run.unique()) == 10
    assert len(out) == 30
    assert not set(kept.run.tolist()) & set(out.run.tolist())
    assert len(kept) + len(out) == len(zoo)
    single = PointSet(zoo.x, torch.zeros(len(zoo)))
    assert split_by_run(single, 0.5, torch.Generator())[0] is single


def test_divergence_is_one_clear_error() -> None:
    zoo = points()
    zoo.x[:] = torch.nan
    t, measure = trainer(zoo)
    with pytest.raises(DataError, match="diverged"):
        t.run(measure)


def test_trajectory_pairs_are_a_network_and_its_start(generator: torch.Generator) -> None:
    zoo = points()
    x0, x1, _ = Trajectory(SPACE, Gaussian(SPACE)).sample_pairs(zoo, 50, generator)
    assert torch.equal(x0, x1 - 2)


def test_independent_pairs_are_independent(generator: torch.Generator) -> None:
    coupling = Independent(SPACE, Gaussian(SPACE, std=2.0))
    x0, x1, _ = coupling.sample_pairs(points(), 20_000, generator)
    assert x0.std().item() == pytest.approx(2, rel=0.02)
    joint = torch.corrcoef(torch.cat([x0, x1], 1).T)[:DIM, DIM:]
    assert joint.abs().max() < 0.03


def test_gaussian_prior_has_its_density(generator: torch.Generator) -> None:
    prior = Gaussian(SPACE, mean=1.0, std=0.3)
    x = prior.sample(5, generator)
    known = torch.distributions.Normal(1.0, 0.3).log_prob(x).sum(-1)
    torch.testing.assert_close(prior.log_prob(x), known)


SMALL = [
    *("zoo.networks=20", "zoo.epochs=1", "train.iterations=4", "velocity.layers=1", "hooks=[]"),
    *("velocity.width=16", "solver.steps=2", "sample.networks=4", "metrics=[task_score]"),
]
EXAMPLE = Path(__file__).parents[1] / "examples" / "breast_cancer.yaml"


def test_components_may_run_twice_and_further_samples_are_others(tmp_path: Path) -> None:
    components = wflow_core.assemble(wflow_core.load_spec(EXAMPLE, SMALL))
    for name in ("a", "b"):
        wflow_core.run(components, tmp_path / name)
    first, second = wflow_core.load(tmp_path / "a"), wflow_core.load(str(tmp_path / "b"))
    assert torch.equal(first.samples.weights, second.samples.weights)
    more = first.sample(4, seed=0).weights
    assert torch.cdist(more, first.samples.weights).min() > 0.1
    assert torch.equal(more, second.sample(4, seed=0).weights)
    with pytest.raises(DataError, match="at least one"):
        first.sample(0)
    with pytest.raises(DataError, match="empty"):
        first.predict(torch.zeros(1, 30), first.samples[:0])


def test_a_broken_zoo_is_named_before_it_is_learned_from(tmp_path: Path) -> None:
    changes = [*SMALL, "zoo.optimizer={type: sgd, lr: 1e30}"]
    components = wflow_core.assemble(wflow_core.load_spec(EXAMPLE, changes))
    with pytest.raises(DataError, match="20 of 20 networks of the zoo"):
        wflow_core.run(components, tmp_path / "run")


def test_numbers_that_no_machine_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="iterations is too large"):
        TrainingOptions(iterations=10**20)
