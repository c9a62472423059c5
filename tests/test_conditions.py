"""What flows are conditioned on, how velocities take it, and guidance by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from plugin_support import tiny
from test_velocities import EQUIVARIANT, lively, points, small, space
from torch import Tensor

from wflow_core.assembly.assemble import assemble
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.flows.flow import Flow
from wflow_core.flows.sampling import integrate
from wflow_core.flows.training import Trainer
from wflow_core.flows.training_options import TrainingOptions
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import VectorField
from wflow_core.interfaces.stage import Artefact
from wflow_core.interfaces.velocity import Velocity
from wflow_core.interfaces.zoo import Covariate
from wflow_core.space import PointSet, Space
from wflow_core.specs.spec import spec_from_text
from wflow_core.storage.tensors import read_weight_set, weight_set_content
from wflow_core.symmetry import GroupElement
from wflow_core.testing.fixtures import SmallZoo, small_network, small_task, small_zoo
from wflow_core.weights import WeightSet
from wflow_plugins.canonicalizers.weight_matching import WeightMatching
from wflow_plugins.conditioning.covariates import CovariateColumns
from wflow_plugins.conditioning.embedding import ConditionEmbedding
from wflow_plugins.conditions.covariates import Covariates
from wflow_plugins.couplings.independent import Independent
from wflow_plugins.couplings.ot import OptimalTransport
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.manifolds.normalized import Normalized
from wflow_plugins.manifolds.relu_sphere import ReluSphere
from wflow_plugins.manifolds.sphere import Sphere
from wflow_plugins.optimizers.adamw import AdamW
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.stages.sample_networks import SampleRequest, check_condition
from wflow_plugins.times.uniform import Uniform
from wflow_plugins.velocities.mlp import MlpVelocity
from wflow_plugins.velocities.scaled_velocity import Unconditioned

LOSS, KIND = Covariate("loss"), Covariate("kind", ("a", "b", "2"))
BOTH = CovariateColumns((LOSS, KIND))
NAN = math.nan
FLAT = Euclidean(3)


class KnownZoo(SmallZoo):
    """Networks of which a loss and a kind are known."""

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        return LOSS, KIND


def condition(*names: str, p_uncond: float = 0.1) -> Covariates:
    zoo = KnownZoo(small_task(), small_network())
    return Covariates(zoo, names=names, p_uncond=p_uncond)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def known(n: int = 24) -> WeightSet:
    zoo = small_zoo(n // 2)
    loss, kind = torch.arange(n) / n, torch.arange(n) % 3 - 1
    covariates, categories = {"loss": loss, "kind": kind}, {"kind": KIND.categories}
    return replace(zoo, covariates=covariates, categories=categories)


def test_values_are_numbers_of_columns() -> None:
    assert BOTH.encode({"kind": "b", "loss": 0.5}) == {1: 1.0, 0: 0.5}
    assert BOTH.encode({"kind": 2.0}) == {1: 2.0}  # a category that reads as a number
    torch.testing.assert_close(BOTH.cond_vector({"kind": "a", "loss": 3}), torch.tensor([3.0, 0.0]))
    assert BOTH.cond_vector({}).isnan().all()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"los": 0.1}, r"not conditioned on 'los'.*did you mean 'loss'.*it is on loss, kind"),
        ({"kind": "c"}, r"'kind' is one of a, b, 2; got 'c'"),
        ({"loss": NAN}, r"'loss' is a finite number; got nan"),
        ({"loss": "low"}, r"'loss' is a finite number; got 'low'"),
    ],
)
def test_what_cannot_be_asked_for_is_told(wanted: dict, told: str) -> None:
    with pytest.raises(DataError, match=told):
        BOTH.encode(wanted)


def test_a_density_wants_all_covariates_or_none() -> None:
    with pytest.raises(DataError, match="lacks a value of kind: give all or none"):
        BOTH.cond_vector({"loss": 0.1})


def test_columns_are_those_of_the_zoo() -> None:
    table = BOTH.to_tensor(known())
    assert table.shape == (24, 2)
    assert table[:, 0].tolist() == (torch.arange(24) / 24).tolist()
    assert table[3:, 1].nan_to_num(9).tolist() == [9, 0, 1] * 7  # -1 is unknown
    with pytest.raises(DataError, match=r"'loss'.*no such covariate"):
        BOTH.to_tensor(small_zoo())
    with pytest.raises(DataError, match=r"'kind'.*\('x',\)"):
        BOTH.to_tensor(replace(known(), categories={"kind": ("x",)}))


def test_what_is_not_asked_for_is_of_one_network_that_is_like_it() -> None:
    zoo = torch.stack([torch.arange(300.0), torch.arange(300.0) % 3], 1)
    free = BOTH.sample({}, zoo, 4000, seeded())
    assert ((free[:, 0] % 3) == free[:, 1]).all()  # jointly
    assert len(free.unique(dim=0)) == 300
    of_kind = BOTH.sample({"kind": "b"}, zoo, 100, seeded())
    assert (of_kind[:, 1] == 1).all()
    assert (of_kind[:, 0] % 3 == 1).all()
    near = BOTH.sample({"loss": 150.2}, zoo, 500, seeded())
    assert (near[:, 0] == 150.2).float().all()
    counts = near[:, 1].long().bincount(minlength=3) / 500
    assert (counts - 1 / 3).abs().max() < 0.1
    with pytest.raises(DataError, match="no network of the zoo has these categories"):
        BOTH.sample({"kind": "2"}, zoo[zoo[:, 1] < 2], 5, seeded())


def test_guidance_needs_conditions_that_were_dropped() -> None:
    plain = assemble(spec_from_text(tiny(hooks="[]")))
    with pytest.raises(DataError, match="the flow has none"):
        check_condition(plain, SampleRequest(2, guidance_scale=2.0))
    of = "{type: covariates, names: [loss], p_uncond: 0}"
    always = assemble(spec_from_text(tiny(hooks="[]", coupling="independent", condition=of)))
    with pytest.raises(DataError, match=r"set condition\.p_uncond above 0"):
        check_condition(always, SampleRequest(2, guidance_scale=0.0))
    for components in (plain, always):
        check_condition(components, SampleRequest(2))


def test_covariates_are_carried(tmp_path: object) -> None:
    zoo = known()
    some = zoo[torch.tensor([3, 1])]
    assert some.covariates["loss"].tolist() == pytest.approx([3 / 24, 1 / 24])
    content = weight_set_content(zoo)
    back = read_weight_set(Artefact(*content, ""))
    network = WeightMatching(small_network())
    network.fit(zoo)
    for other in (back, network.transform(zoo), zoo.to("cpu")):
        assert other.categories == zoo.categories
        assert all(torch.equal(zoo.covariates[n], t) for n, t in other.covariates.items())
        assert other.covariates.keys() == zoo.covariates.keys()


def counting(calls: list[Tensor]) -> Callable[..., Tensor]:
    """A field that is 1 without condition, and the given number with one."""

    def model(x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        assert cond is not None
        calls.append(cond)
        return cond.nan_to_num(1.0).expand_as(x)

    return model


def guided(flow: Flow, model: Callable[..., Tensor], n: int, scale: float) -> VectorField:
    """The field of ``n`` samples under a loss of 3."""
    cond = torch.full((n, 1), 3.0)
    return condition("loss").field(lambda of: flow.field(model, cond=of), cond, scale)


@pytest.mark.parametrize(("scale", "wanted", "calls"), [(0, 1, 1), (1, 3, 1), (2.5, 6, 2)])
def test_guidance_is_between_and_beyond(scale: float, wanted: float, calls: int) -> None:
    seen: list[Tensor] = []
    field = guided(Flow(FLAT), counting(seen), 4, scale)
    assert (field(torch.tensor(0.5), torch.zeros(4, 3)) == wanted).all()
    assert len(seen) == calls


@pytest.mark.parametrize("cls", [Sphere, ReluSphere, Normalized])
@pytest.mark.parametrize("predict", ["velocity", "x1"])
def test_guided_samples_end_on_the_manifold(cls: type[Manifold], predict: str) -> None:
    symmetry = small_network().symmetry
    manifold = cls(symmetry.layout.size, symmetry)
    flow = Flow(manifold, predict)
    x = manifold.project_endpoint(torch.randn(5, manifold.dim, generator=seeded()))

    def model(x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        return cond.nan_to_num(0.5) * x.roll(1, -1)

    field = guided(flow, model, 5, 2.0)
    v = field(torch.tensor(0.3), x)
    torch.testing.assert_close(v, manifold.proju(x, v), atol=1e-5, rtol=1e-4)
    end = integrate(flow, field, Euler(steps=4), x)
    torch.testing.assert_close(end, manifold.project_endpoint(end), atol=1e-5, rtol=1e-4)


def test_without_conditions_there_is_nothing() -> None:
    before = torch.get_rng_state()
    none, time = Unconditioned(), torch.randn(2, 8, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)
    assert none.state_dict() == {}
    assert none(time) is time
    assert isinstance(MlpVelocity(Space(FLAT), width=8).conditions, Unconditioned)


def test_numbers_are_standardised_by_what_is_known() -> None:
    embedding = ConditionEmbedding(CovariateColumns((LOSS,)), 8)
    given = torch.tensor([[10.0], [14.0], [NAN]])
    embedding.fit(given)
    assert (embedding.embed[0].mean, embedding.embed[0].spread) == (12, 2)
    embedding(torch.zeros(3, 8), given).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in embedding.parameters())


@pytest.mark.parametrize("cls", EQUIVARIANT)
def test_velocities_under_conditions_commute_with_permutations(cls: type[Velocity]) -> None:
    s = replace(space((6, 5)), condition=condition("loss", "kind"))
    v = lively(small(cls, s))
    x, t, g = points(s, 3, 1)
    perm = GroupElement(s.symmetry.random(3, g).perm)
    cond = torch.tensor([[0.1, 0.0], [NAN, NAN], [2.0, 1.0]])
    with torch.no_grad():
        out = v(x, t, cond=cond)
        moved = v(s.symmetry.act(x, perm), t, cond=cond)
        other = v(x, t, cond=cond.flip(0))
    assert (moved - s.symmetry.act(out, perm)).abs().max() < 1e-5 * max(1, out.abs().max().item())
    assert ((other - out).abs().amax(1) > 1e-3).tolist() == [True, False, True]


def test_training_drops_conditions_whole_and_as_often_as_told() -> None:
    s = Space(FLAT, condition=condition("loss", "kind", p_uncond=0.25))
    x = torch.randn(60, 3, generator=seeded())
    cond = torch.stack([torch.arange(60.0), torch.arange(60.0) % 2], 1)
    seen: list[Tensor] = []
    velocity = MlpVelocity(s, width=8, layers=1)
    velocity.conditions.register_forward_pre_hook(
        lambda m, args, kwargs: seen.append(kwargs["cond"]) if m.training else None,
        with_kwargs=True,
    )
    o = TrainingOptions(iterations=8, batch_size=500, evaluate_every=8)
    zoo, coupling = PointSet(x, torch.arange(60), cond=cond), Independent(s, Gaussian(s))
    trainer = Trainer(Flow(FLAT), velocity, coupling, zoo, o, AdamW(), Uniform(), seeded())
    trainer.run(lambda of: {"val_loss": 0.0})
    whole = torch.cat(seen)
    assert len(whole) == 4000
    assert torch.equal(whole[:, 0].isnan(), whole[:, 1].isnan())
    assert whole[:, 0].isnan().float().mean().item() == pytest.approx(0.25, abs=0.03)
    kept = whole[~whole[:, 0].isnan()]
    assert (kept[:, 0] % 2 == kept[:, 1]).all()


def test_optimal_transport_keeps_the_prior_within_categories() -> None:
    s = Space(Euclidean(1), condition=condition("kind"))
    kind = torch.arange(400.0) % 2
    zoo = PointSet((10 * kind).unsqueeze(1), torch.arange(400), cond=kind.unsqueeze(1))
    coupling = OptimalTransport(s, Gaussian(s), batch=100)
    x0, x1, index = coupling.sample_pairs(zoo, 2000, seeded())
    assert torch.equal(x1, zoo.x[index])
    for of in (0, 10):  # unconditioned, starts of the one would all be below those of the other
        start = x0[x1 == of]
        assert start.mean().abs() < 0.1
        assert start.std().item() == pytest.approx(1, abs=0.1)
    with pytest.raises(UnsupportedError, match=r"'loss'.*real values.*`independent`"):
        OptimalTransport(replace(s, condition=condition("loss", "kind")), Gaussian(s))
