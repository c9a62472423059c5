"""Any manifold of geoopt whose points are vectors."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import Parameter, isclass, signature
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import SpaceError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.manifold import Manifold
from wflow_core.symmetry import Symmetry

INSTEAD = {
    "Euclidean": "euclidean",
    # Its distance clamps, so that close points have a wrong logarithm in float32, and its
    # exponential has a NaN gradient at zero.
    "Sphere": "sphere",
    "SphereExact": "sphere",
}
"""Manifolds of geoopt that are refused, and the built-in to take instead."""


class GeooptManifold(Manifold):
    """A manifold of geoopt over the whole vector, e.g. `{name: Lorentz, options: {k: 0.5}}`.

    Suitable are those whose points are vectors and whose arguments are numbers: `Lorentz`,
    `PoincareBall`, `SphereProjection`, `Stereographic` and their `...Exact` variants. The zoo must
    lie on it. Matrix manifolds and products are refused; so are `Sphere` and `Euclidean`, which are
    built in as `sphere` and `euclidean`.

    Source: Kochurov et al. 2020 (arXiv 2005.02819).
    """

    class Config(Options):
        name: str = Field("SphereProjection", description="class of geoopt.manifolds")
        options: dict[str, float] = Field({}, description="numbers that its constructor takes")

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        # 0-dimensional constants stay on the CPU, whence they meet tensors of any device.
        self.geoopt = self._build().double()
        self._try()

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        at = self._at(x)
        return self._like(x, self.geoopt.expmap(at, self.geoopt.proju(at, u.double())))

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return self._like(x, self.geoopt.logmap(self._at(x), self._at(y)))

    def projx(self, x: Tensor) -> Tensor:
        return self._like(x, self._at(x))

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return self._like(x, self.geoopt.proju(self._at(x), u.double()))

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        # Without keepdim, geoopt's stereographic manifolds broadcast rows against each other.
        product = self.geoopt.inner(self._at(x), u.double(), v.double(), keepdim=True)
        return self._like(x, product.squeeze(-1))

    def _at(self, x: Tensor) -> Tensor:
        """The point in float64 and on the manifold to its precision: most of geoopt's formulas
        lose close points in float32, and Lorentz those that lie beside it by a rounding."""
        at: Tensor = self.geoopt.projx(x.double())
        return at

    def _like(self, x: Tensor, result: Tensor) -> Tensor:
        return result.to(x.dtype)

    def _build(self) -> Any:
        """The manifold of geoopt.

        Raises:
            SpaceError: it is unknown or unsuitable, or refuses its arguments.
        """
        name, given = self.config.name, self.config.options
        known = suitable()
        if name in INSTEAD:
            raise SpaceError(f"geoopt's {name} is built in: take `manifold: {INSTEAD[name]}`")
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise SpaceError(
                f"geoopt has no manifold {name!r} over plain vectors; {hint}"
                f"suitable: {', '.join(known)}"
            )
        takes = [p for p in signature(known[name]).parameters if p != "learnable"]
        wrong = sorted(given.keys() - set(takes))
        if wrong:
            raise SpaceError(
                f"geoopt's {name} takes no argument {', '.join(wrong)}; it takes {', '.join(takes)}"
            )
        try:
            return known[name](**given)
        except Exception as error:
            raise SpaceError(f"geoopt's {name} refuses {given}: {error}") from error

    def _try(self) -> None:
        """A short step and its way back: a wrong argument shows here and not amid a run."""
        small = torch.full((2, self.dim), 1e-3 * self.dim**-0.5, dtype=torch.float64)
        try:
            x = self.projx(small)
            u = self.proju(x, small)
            back = self.logmap(x, self.expmap(x, u))
            sound = back.shape == u.shape and bool(torch.allclose(back, u, rtol=1e-3))
        except Exception as error:
            raise SpaceError(f"{self!r} does not act on {self.dim} entries: {error}") from error
        if not sound:
            raise SpaceError(
                f"{self!r} is no manifold over {self.dim} entries: its logarithm does not undo its "
                "exponential; check its arguments"
            )


def suitable() -> dict[str, type[Any]]:
    """The manifolds of geoopt over vectors that numbers alone describe, by name."""
    from geoopt import manifolds

    def fits(cls: Any) -> bool:
        if not (isclass(cls) and issubclass(cls, manifolds.base.Manifold)):
            return False
        if getattr(cls, "ndim", None) != 1:
            return False
        return all(p.default is not Parameter.empty for p in signature(cls).parameters.values())

    found = {name: cls for name, cls in sorted(vars(manifolds).items()) if fits(cls)}
    return {name: cls for name, cls in found.items() if name not in INSTEAD}
