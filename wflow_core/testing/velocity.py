"""The contract of velocities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.needs import CONDITIONS, SYMMETRY
from wflow_core.interfaces.velocity import Velocity
from wflow_core.symmetry import GroupElement, Symmetry
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded
from wflow_core.testing.worlds import CONDITIONED, ENCODED, FLOAT64, NETWORKS, World

Condition = dict[str, Tensor]
"""``{"cond": [B, K]}``; empty without a condition."""


class VelocityContract(Contract):
    """Shapes, gradients, time, conditions; any width and equivariance where it needs a symmetry."""

    worlds = (*NETWORKS, FLOAT64, ENCODED, CONDITIONED)

    @classmethod
    def tried_in(cls) -> list[World]:
        conditioned = CONDITIONS in cls.component.offers
        return [of for of in super().tried_in() if conditioned or not of.covariates]

    def context(self) -> tuple[Any, ...]:
        return (self.space(),)

    def velocity(self) -> Velocity:
        """With random parameters, since a head that starts at zero would hide everything."""
        torch.manual_seed(0)
        made: Velocity = self.make()
        with torch.no_grad():
            for p in made.parameters():
                p.copy_(0.2 * torch.randn(p.shape, generator=seeded(p.numel())))
        return made.to(self._world.dtype)

    def points(self, symmetry: Symmetry | None = None) -> tuple[Tensor, Tensor, Condition]:
        """Six points ``[6, D]`` of the space or of another width, times, and conditions."""
        dim = symmetry.layout.size if symmetry else self.space().dim
        options: dict[str, Any] = {"generator": seeded(), "dtype": self._world.dtype}
        x, t = torch.randn(6, dim, **options), torch.rand(6, **options)
        cond = self._world.points(self.network()).cond
        return x, t, {} if cond is None else {"cond": cond[:6]}

    def test_points_to_tangents(self) -> None:
        x, t, condition = self.points()
        out = self.velocity()(x, t, **condition)
        assert out.shape == x.shape
        assert out.dtype == x.dtype
        assert out.isfinite().all()

    def test_time_and_every_coordinate_matter(self) -> None:
        velocity, (x, t, condition) = self.velocity(), self.points()
        out = velocity(x, t, **condition)
        assert not torch.allclose(out, velocity(x, 1 - t, **condition))
        x.requires_grad_()
        velocity(x, t, **condition).square().sum().backward()
        assert x.grad is not None
        assert (x.grad.abs() > 0).all()

    def test_networks_of_a_batch_do_not_mix(self) -> None:
        velocity, (x, t, condition) = self.velocity(), self.points()
        first = {name: cond[:1] for name, cond in condition.items()}
        out, alone = velocity(x, t, **condition), velocity(x[:1], t[:1], **first)
        torch.testing.assert_close(out[:1], alone, atol=1e-5, rtol=1e-4)

    def test_displacement_scale_follows_the_pairs(self) -> None:
        velocity, (x, _, _) = self.velocity(), self.points()
        velocity.fit_scales(x, x + 0.5, torch.full_like(x, 0.5))
        expected = x.new_full((x.shape[1],), 0.5)
        torch.testing.assert_close(velocity.displacement_scale(), expected)

    def test_its_state_decides_the_output(self) -> None:
        velocity, (x, t, condition) = self.velocity(), self.points()
        velocity.fit_scales(x, 2 * x + 0.5, x + 0.5)
        if condition:
            velocity.fit_condition_scales(condition["cond"])
        again: Velocity = self.make().to(x.dtype)
        again.load_state_dict(velocity.state_dict())
        assert torch.equal(again(x, t, **condition), velocity(x, t, **condition))
        assert torch.equal(again.displacement_scale(), velocity.displacement_scale())

    def test_hidden_matrices_are_parameters(self) -> None:
        velocity = self.velocity()
        own = [id(p) for p in velocity.parameters()]
        matrices = velocity.hidden_matrices()
        assert all(id(of) in own and of.ndim == 2 for of in matrices)
        assert len({id(of) for of in matrices}) == len(matrices)

    def test_commutes_with_permutations_if_it_needs_a_symmetry(self) -> None:
        if SYMMETRY in self.component.needs:
            self._check_equivariance(self.velocity(), None)

    def test_serves_other_widths_if_it_needs_a_symmetry(self) -> None:
        if SYMMETRY not in self.component.needs:
            return
        velocity, wider = self.velocity(), self.network(width=2)
        blocks = (of.symmetry.graph.blocks.keys() for of in (self.network(), wider))
        if next(blocks) != next(blocks):
            return  # labels hold row numbers, and flows refuse the other width
        of_wider = self.component(self._world.space(wider), **self.options)
        shapes = ({n: t.shape for n, t in of.state_dict().items()} for of in (velocity, of_wider))
        assert next(shapes) == next(shapes)
        self._check_equivariance(velocity, wider.symmetry)

    def test_every_condition_matters_and_may_be_left_out(self) -> None:
        velocity, (x, t, condition) = self.velocity(), self.points()
        if not condition:
            return
        cond = torch.tensor([[0.1, 0.0], [0.3, 1.0], [2.0, 1.0]] * 2)
        velocity.fit_condition_scales(cond)
        out, unknown = velocity(x, t, cond=cond), torch.full_like(cond, torch.nan)
        torch.testing.assert_close(velocity(x, t), velocity(x, t, cond=unknown))
        for column in (0, 1):
            less = cond.index_fill(1, torch.tensor([column]), torch.nan)
            for other in (cond + torch.eye(2)[column] * (1 - 2 * cond[:, 1:]), less):
                assert ((velocity(x, t, cond=other) - out).abs().amax(1) > 1e-4).all()

    def test_without_a_condition_it_has_no_more_parameters(self) -> None:
        if self._world.covariates:
            without = self.component(NETWORKS[0].space(self.network()), **self.options)
            assert without.state_dict().keys() < self.make().state_dict().keys()

    def _check_equivariance(self, velocity: Velocity, other: Symmetry | None) -> None:
        """Moving the units of the input moves those of the output; ``other``: of that width."""
        x, t, condition = self.points(other)
        symmetry = other or self.space().weight_symmetry
        element = GroupElement(symmetry.random(len(x), seeded(5)).perm)
        out = velocity(x, t, other, **condition)
        moved = velocity(symmetry.act(x, element), t, other, **condition)
        assert out.shape == x.shape
        assert not torch.allclose(moved, out)
        tolerance = 1e-5 if x.dtype == torch.float32 else 1e-12
        expected = symmetry.act(out, element)
        torch.testing.assert_close(moved, expected, atol=tolerance, rtol=10 * tolerance)
