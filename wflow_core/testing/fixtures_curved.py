"""A curved manifold for contract tests."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold


class UnitSphere(Manifold):
    """The unit sphere of R^D, as its textbook formulas have it: for float64 and no antipodes."""

    induced_metric = True

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        angle = u.norm(dim=-1, keepdim=True)
        return self.projx(angle.cos() * x + torch.sinc(angle / torch.pi) * u)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        u = self.proju(x, y)
        sine = u.norm(dim=-1, keepdim=True)
        angle = torch.atan2(sine, (x * y).sum(-1, keepdim=True))
        return angle / sine.clamp_min(1e-30) * u

    def projx(self, x: Tensor) -> Tensor:
        return x / x.norm(dim=-1, keepdim=True)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return u - (x * u).sum(-1, keepdim=True) * x

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(-1)
