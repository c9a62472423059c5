"""The log-density of networks under a trained flow.

The density is that of points of the space: of weights where the flow lives on weights, under the
volume of the manifold that they lie on. Symmetries are not summed over: it is the density of the
network as it is given, or of its representative. Shapes: N networks, P weights, D coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.flows.flow import Flow
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.velocity import Velocity
from wflow_core.weights import WeightSet
from wflow_plugins.conditions.covariates import Covariates
from wflow_plugins.likelihood.log_prob import LogProb
from wflow_plugins.likelihood.solve import check_has_density, log_prob
from wflow_plugins.stages.points import check_on_manifold


@dataclass(frozen=True)
class FlowDensity:
    """``density(networks) -> LogProb``, in batches.

    Args:
        velocity: the trained network.
        batch_size: networks integrated at once.
    """

    components: Components
    flow: Flow
    velocity: Velocity
    batch_size: int = 256

    @property
    def dim(self) -> int:
        """Coordinates of the space that the flow lives in."""
        return self.components.space.dim

    def __call__(
        self,
        networks: WeightSet | Tensor,
        *,
        represent: bool = False,
        coordinates: bool = False,
        condition: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> LogProb:
        """Log-density of each network, in nats.

        Args:
            networks: or their weights ``[N, P]``.
            represent: move each to its representative first, as fresh initialisations are: by
                those canonicalizers that move each network on its own, which permute no units.
            coordinates: behind a codec, give the density of the encoded coordinates.
            condition: a value of each covariate that the flow is conditioned on, for the density
                given these; None for that of all networks together.
            options: of ``wflow_plugins.likelihood.solve.log_prob``.

        Raises:
            UnsupportedError: there is no density; says why.
            DataError: networks do not lie on the manifold, the condition is unknown, or the
                integration diverged.
        """
        c = self.components
        check_flow_has_density(c, coordinates, conditioned=bool(condition))
        w = networks.weights if isinstance(networks, WeightSet) else networks
        chunks = [
            log_prob(
                self.flow,
                self.velocity,
                c.prior,
                c.solver,
                x,
                **options,
                **self._cond(x, condition),
            )
            for x in self._points(w, represent).split(self.batch_size)
        ]
        return LogProb.cat(chunks)

    def _cond(self, x: Tensor, condition: Mapping[str, Any] | None) -> dict[str, Any]:
        """The condition of points ``[B, D]``, as the velocity takes it."""
        own = self.components.condition
        if not isinstance(own, Covariates):
            return {}
        vector = own.columns.cond_vector(condition or {})
        return {"cond": vector.to(x).expand(len(x), -1)}

    @torch.no_grad()
    def _points(self, weights: Tensor, represent: bool) -> Tensor:
        """``[N, P] -> [N, D]`` points of the space, in the precision that flows are trained in."""
        c, size = self.components, self.components.architecture.symmetry.layout.size
        if weights.ndim != 2 or not len(weights) or weights.shape[1] != size:
            raise DataError(
                f"a density is of networks [N, {size}], at least one; got {list(weights.shape)}"
            )
        x = weights.to(torch.float32)
        if c.codec:
            x = c.codec.encode(x)
        elif represent:
            x = c.space.to_manifold(x)
        given = "networks whose density is requested (without represent=True)"
        check_on_manifold(x, c.space.manifold, "the networks" if represent else given)
        return x


def check_flow_has_density(
    c: Components, coordinates: bool = False, conditioned: bool = False
) -> None:
    """Cheap, before anything runs.

    Raises:
        UnsupportedError: the flow has no density, with the first reason, and what to do.
    """
    check_has_density(c.space.manifold, c.solver)
    # A guidance without a strength of 0 is taken to have an effect.
    if c.guidance and getattr(c.guidance.config, "strength", None) != 0:
        raise UnsupportedError(
            f"no density: {c.guidance!r} adds a drift whose divergence is not known; leave the "
            "guidance out, or set its strength to 0"
        )
    if c.codec and not coordinates:
        count = f"{c.codec.dim} " if c.codec.dim is not None else ""
        raise UnsupportedError(
            f"no density of weights: {c.codec!r} describes them by {count}coordinates, and weights "
            "outside their span have none; ask for the density of the coordinates by "
            "coordinates=True, or leave the codec out"
        )
    if isinstance(c.condition, Covariates) and not c.condition.config.p_uncond and not conditioned:
        raise UnsupportedError(
            "no density without a condition, as the flow was never trained without one; set "
            "condition.p_uncond above 0, or give log_prob a condition"
        )
    c.prior.log_prob(c.prior.sample(1, torch.Generator().manual_seed(0)))
