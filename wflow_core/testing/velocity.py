"""The contract of velocities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.velocity import Velocity
from wflow_core.symmetry import GroupElement
from wflow_core.testing.contract import Contract
from wflow_core.testing.world import seeded, small_space


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
        velocity.fit_scales(x, x + 0.5, torch.full_like(x, 0.5))
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

    def _points(self) -> tuple[Tensor, Tensor]:
        g = seeded()
        return torch.randn(6, small_space().dim, generator=g), torch.rand(6, generator=g)
