"""The log-density of networks under a trained flow.

The density is that of points of the space: of weights where the flow lives on weights, under the
volume of the manifold that they lie on. Symmetries are not summed over: it is the density of the
network as it is given, or of its representative. Shapes: N networks, P weights, D coordinates.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wflow_core.assembly.assembly import Assembly
from wflow_core.conditions import Wanted
from wflow_core.errors import DataError, UnsupportedError
from wflow_core.flows.likelihood import log_prob, refuse
from wflow_core.interfaces.velocity import Velocity
from wflow_core.log_probs import LogProb
from wflow_core.space import refuse_off_manifold
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class FlowDensity:
    """``density(networks) -> LogProb``, in batches.

    Args:
        velocity: the trained network.
        held_out: ``[R]`` the training runs that it was not trained on, where known.
    """

    assembly: Assembly
    velocity: Velocity
    held_out: Tensor | None = None

    @property
    def dim(self) -> int:
        return self.assembly.space.dim

    def at(self, assembly: Assembly) -> FlowDensity:
        """The same at another architecture, of which the flow was trained on no network."""
        if assembly is self.assembly:
            return self
        state = self.velocity.state_dict()
        velocity = trained_velocity(assembly, state)
        return FlowDensity(assembly, velocity.to(next((t.device for t in state.values()), None)))

    def __call__(
        self,
        networks: WeightSet | Tensor,
        *,
        represent: bool = False,
        coordinates: bool = False,
        condition: Wanted | None = None,
        **options: Any,
    ) -> LogProb:
        """Log-density of each network, in nats.

        Args:
            networks: or their weights ``[N, P]``.
            represent: bring each to its representative first, as fresh initialisations are: by
                those canonicalizers that move each network by itself, which permutes no units.
            coordinates: behind a codec, give the density of the encoded coordinates.
            condition: a value of each record that the flow is conditioned on, for the density
                given these; none for that of all networks together.
            options: of ``wflow_core.flows.likelihood.log_prob``.

        Raises:
            UnsupportedError: there is no density; says why.
            DataError: networks do not lie on the manifold, the condition is none that the flow
                knows, or the solve diverged.
        """
        a = self.assembly
        refuse_flow(a, coordinates, conditioned=bool(condition))
        w = networks.weights if isinstance(networks, WeightSet) else networks
        pieces = [
            log_prob(
                a.flow, self.velocity, a.prior, a.solver, x, **options, **self._given(x, condition)
            )
            for x in self._points(w, represent).split(a.spec.sample.batch_size)
        ]
        return LogProb.cat(pieces)

    def _given(self, x: Tensor, condition: Wanted | None) -> dict[str, Any]:
        """What the velocity is told of points ``[B, D]``; nothing where it has no conditions."""
        row = self.assembly.space.conditions.row(condition or {})
        return {"given": row.to(x).expand(len(x), -1)} if len(row) else {}

    def unseen(self, networks: WeightSet) -> WeightSet:
        """Networks of the zoo without those that the flow was trained on; all where no run was
        held out."""
        if self.held_out is None:
            return networks
        kept = torch.isin(networks.run, self.held_out.to(networks.run))
        return networks[kept.nonzero().squeeze(1)]

    @torch.no_grad()
    def _points(self, weights: Tensor, represent: bool) -> Tensor:
        """``[N, P] -> [N, D]`` points of the space, in the precision that flows are trained in."""
        a, size = self.assembly, self.assembly.architecture.bound_symmetry.layout.size
        if weights.ndim != 2 or not len(weights) or weights.shape[1] != size:
            raise DataError(
                f"a density is of networks [N, {size}], at least one; got {list(weights.shape)}"
            )
        x = weights.to(torch.float32)
        if a.codec:
            x = a.codec.encode(x)
        elif represent:
            x = a.space.represent(x)
        what = "networks whose density is asked for (without represent=True)"
        refuse_off_manifold(x, a.space.manifold, "the networks" if represent else what)
        return x


def trained_velocity(assembly: Assembly, tensors: Mapping[str, Tensor]) -> Velocity:
    """The velocity with the weights that training left; the assembly's own stays untrained."""
    velocity = copy.deepcopy(assembly.velocity)
    velocity.load_state_dict(tensors)
    return velocity.eval()


def refuse_flow(a: Assembly, coordinates: bool = False, conditioned: bool = False) -> None:
    """Say why the flow of an assembly has no density, where it has none; cheap.

    Raises:
        UnsupportedError: with the first reason, and what to do.
    """
    refuse(a.flow.manifold, a.solver)
    # A guidance that does not tell its strength is taken to have one.
    if a.guidance and getattr(a.guidance.config, "strength", None) != 0:
        raise UnsupportedError(
            f"no density: {a.guidance!r} bends the flow by a drift whose divergence is not known; "
            "leave the guidance out, or set its strength to 0"
        )
    if a.codec and not coordinates:
        count = f"{a.codec.dim} " if a.codec.settled else ""
        raise UnsupportedError(
            f"no density of weights: {a.codec!r} describes them by {count}coordinates, and "
            "what decoding leaves out has none; ask for the density of the coordinates by "
            "coordinates=True, or leave the codec out"
        )
    if a.space.conditions and not a.space.conditions.drop and not conditioned:
        raise UnsupportedError(
            "no density of networks under no condition, as the flow was never trained without one; "
            "set condition.drop above 0, or give log_prob a condition"
        )
    a.prior.log_prob(a.prior.sample(1, torch.Generator().manual_seed(0)))
