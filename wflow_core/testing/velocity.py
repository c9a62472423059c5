"""The contract of velocities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.velocity import Velocity
from wflow_core.symmetry import GroupElement
from wflow_core.testing.contract import Contract
from wflow_core.testing.world import seeded, small_space
from wflow_plugins.conditioning.covariates import Record


class VelocityContract(Contract):
    """Shapes, gradients, time; equivariance, where the velocity needs a symmetry."""

    def context(self) -> tuple[Any, ...]:
        return (small_space(),)

    def velocity(self, made: Velocity | None = None) -> Velocity:
        """With random parameters, since a head that starts at zero would hide everything."""
        torch.manual_seed(0)
        made = made or self.make()
        with torch.no_grad():
            for p in made.parameters():
                p.copy_(0.2 * torch.randn(p.shape, generator=seeded(p.numel())))
        return made

    def test_points_to_tangents(self) -> None:
        x, t = self._points()
        out = self.velocity()(x, t)
        assert out.shape == x.shape
        assert out.isfinite().all()

    def test_time_and_every_coordinate_matter(self) -> None:
        velocity, (x, t) = self.velocity(), self._points()
        assert not torch.allclose(velocity(x, t), velocity(x, 1 - t))
        x.requires_grad_()
        velocity(x, t).square().sum().backward()
        assert x.grad is not None
        assert (x.grad.abs() > 0).all()

    def test_networks_of_a_batch_do_not_mix(self) -> None:
        velocity, (x, t) = self.velocity(), self._points()
        alone = velocity(x[:1], t[:1])
        torch.testing.assert_close(velocity(x, t)[:1], alone, atol=1e-5, rtol=1e-4)

    def test_displacement_scale_follows_the_pairs(self) -> None:
        velocity, (x, _) = self.velocity(), self._points()
        velocity.standardize(x, x + 0.5)
        torch.testing.assert_close(velocity.displacement_scale(), torch.full((x.shape[1],), 0.5))

    def test_commutes_with_permutations_if_it_needs_a_symmetry(self) -> None:
        if "symmetry" not in self.component.needs:
            return
        velocity, (x, t) = self.velocity(), self._points()
        symmetry = small_space().symmetry
        assert symmetry is not None
        element = GroupElement(symmetry.random(len(x), seeded(5)).perm)
        moved, out = velocity(symmetry.act(x, element), t), velocity(x, t)
        torch.testing.assert_close(moved, symmetry.act(out, element), atol=1e-5, rtol=1e-4)

    def test_every_condition_matters_and_may_be_left_out_if_it_takes_conditions(self) -> None:
        if "conditions" not in self.component.offers:
            return
        records = Record("loss"), Record("kind", ("a", "b"))
        velocity = self.velocity(self.component(small_space(*records), **self.options))
        x, t = self._points()
        given = torch.tensor([[0.1, 0.0], [0.3, 1.0], [2.0, 1.0]] * 2)
        velocity.standardize_conditions(given)
        out, null = velocity(x, t, given=given), torch.full_like(given, torch.nan)
        torch.testing.assert_close(velocity(x, t), velocity(x, t, given=null))
        for column in (0, 1):
            less = given.index_fill(1, torch.tensor([column]), torch.nan)
            for other in (given + torch.eye(2)[column] * (1 - 2 * given[:, 1:]), less):
                assert ((velocity(x, t, given=other) - out).abs().amax(1) > 1e-4).all()
        alone = velocity(x[1:2], t[1:2], given=given[1:2])
        torch.testing.assert_close(out[1:2], alone, atol=1e-5, rtol=1e-4)
        assert self.make().state_dict().keys() < velocity.state_dict().keys()

    def _points(self) -> tuple[Tensor, Tensor]:
        g = seeded()
        return torch.randn(6, small_space().dim, generator=g), torch.rand(6, generator=g)
