"""Manifolds of geoopt over vectors."""

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

BUILT_IN = {
    "Euclidean": "euclidean",
    # Its distance clamps, so that close points have a wrong logarithm in float32, and its
    # exponential has a NaN gradient at zero.
    "Sphere": "sphere",
    "SphereExact": "sphere",
}
"""Unsupported manifolds of geoopt, and the built-in ones to use instead."""


class GeooptManifold(Manifold):
    """A manifold of geoopt over the entire vector, e.g. `{name: Lorentz, options: {k: 0.5}}`.

    Supported are manifolds of vectors with numeric arguments: `Lorentz`, `PoincareBall`,
    `SphereProjection`, `Stereographic` and their `...Exact` variants. The zoo must lie on the
    manifold. Matrix manifolds and products are not supported, nor are `Sphere` and `Euclidean`,
    which are built in as `sphere` and `euclidean`.

    Source: Kochurov et al. 2020 (arXiv 2005.02819).
    """

    class Config(Options):
        name: str = Field("SphereProjection", description="class of geoopt.manifolds")
        options: dict[str, float] = Field({}, description="numeric arguments of its constructor")

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        # 0-dimensional constants stay on the CPU and combine with tensors of any device.
        self.geoopt = self._build().double()
        self._check_usable()

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        point = self._on_manifold(x)
        return self._cast(x, self.geoopt.expmap(point, self.geoopt.proju(point, u.double())))

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return self._cast(x, self.geoopt.logmap(self._on_manifold(x), self._on_manifold(y)))

    def projx(self, x: Tensor) -> Tensor:
        return self._cast(x, self._on_manifold(x))

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return self._cast(x, self.geoopt.proju(self._on_manifold(x), u.double()))

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        # Without keepdim, geoopt's stereographic manifolds broadcast rows against each other.
        product = self.geoopt.inner(self._on_manifold(x), u.double(), v.double(), keepdim=True)
        return self._cast(x, product.squeeze(-1))

    def _on_manifold(self, x: Tensor) -> Tensor:
        """The point in float64, projected to the manifold: most of geoopt's formulas are inaccurate
        for close points in float32, and Lorentz for points off the manifold by a rounding error."""
        point: Tensor = self.geoopt.projx(x.double())
        return point

    def _cast(self, x: Tensor, result: Tensor) -> Tensor:
        return result.to(x.dtype)

    def _build(self) -> Any:
        """The manifold of geoopt.

        Raises:
            SpaceError: it is unknown or unsupported, or raises for its arguments.
        """
        name, arguments = self.config.name, self.config.options
        supported = supported_manifolds()
        if name in BUILT_IN:
            raise SpaceError(f"geoopt's {name} is built in: use `manifold: {BUILT_IN[name]}`")
        if name not in supported:
            close = get_close_matches(name, supported, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise SpaceError(
                f"geoopt has no manifold {name!r} over vectors; {hint}"
                f"supported: {', '.join(supported)}"
            )
        parameters = [p for p in signature(supported[name]).parameters if p != "learnable"]
        unknown = sorted(arguments.keys() - set(parameters))
        if unknown:
            raise SpaceError(
                f"geoopt's {name} has no argument {', '.join(unknown)}; it has "
                f"{', '.join(parameters)}"
            )
        try:
            return supported[name](**arguments)
        except Exception as error:
            raise SpaceError(f"geoopt's {name} fails with {arguments}: {error}") from error

    def _check_usable(self) -> None:
        """Check the logarithm of a short step, to detect wrong arguments before a run.

        Raises:
            SpaceError: it is not the step.
        """
        start = torch.full((2, self.dim), 1e-3 * self.dim**-0.5, dtype=torch.float64)
        try:
            x = self.projx(start)
            u = self.proju(x, start)
            back = self.logmap(x, self.expmap(x, u))
            consistent = back.shape == u.shape and bool(torch.allclose(back, u, rtol=1e-3))
        except Exception as error:
            raise SpaceError(f"{self!r} does not support {self.dim} entries: {error}") from error
        if not consistent:
            raise SpaceError(
                f"{self!r} is no manifold over {self.dim} entries: its logarithm is not the "
                "inverse of its exponential; check its arguments"
            )


def supported_manifolds() -> dict[str, type[Any]]:
    """``{name: class}`` of the manifolds of geoopt over vectors with numeric arguments."""
    from geoopt import manifolds

    def is_supported(cls: Any) -> bool:
        if not (isclass(cls) and issubclass(cls, manifolds.base.Manifold)):
            return False
        if getattr(cls, "ndim", None) != 1:
            return False
        return all(p.default is not Parameter.empty for p in signature(cls).parameters.values())

    by_name = {name: cls for name, cls in sorted(vars(manifolds).items()) if is_supported(cls)}
    return {name: cls for name, cls in by_name.items() if name not in BUILT_IN}
