"""Networks from a trained velocity. Shapes: n networks, D coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.flows.flow import Flow
from wflow_core.flows.sampling import sample_points
from wflow_core.interfaces.component import ProgressCallback
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.solver import VectorField
from wflow_core.interfaces.velocity import Velocity
from wflow_core.weights import WeightSet
from wflow_plugins.streaming.spill import SpillDir, with_buffers_of


@dataclass(frozen=True)
class SampleRequest:
    """What to sample.

    Attributes:
        condition: what the samples are conditioned on, by name.
        guidance_scale: weight of the condition.
    """

    networks: int
    batch_size: int = 256
    condition: Mapping[str, Any] = field(default_factory=dict)
    guidance_scale: float = 1.0


def sample_networks(
    components: Components,
    flow: Flow,
    velocity: Velocity,
    request: SampleRequest,
    zoo: Callable[[], WeightSet],
    generator: torch.Generator,
    progress: ProgressCallback,
    spill: SpillDir,
) -> WeightSet:
    """Networks, each with the prior point that it came from.

    Args:
        components: at the architecture of the samples.
        flow: that the velocity was trained for.
        zoo: gives the networks that stand for parts of a condition that are not specified.
        spill: where networks go that do not fit into memory.
    """
    c, velocity, n = components, velocity.to(generator.device), request.networks
    flow = Flow(c.space.manifold, flow.predict, flow.sigma)
    cond, scale = None, request.guidance_scale
    check_condition(c, request)
    if c.condition is not None:
        cond = c.condition.sample(request.condition, n, zoo, scale, generator)

    def field_of(index: slice) -> VectorField:
        if c.condition is None or cond is None:
            return flow.field(velocity)
        return c.condition.field(lambda of: flow.field(velocity, cond=of), cond[index], scale)

    starts, ends = sample_points(
        flow, field_of, c.solver, c.prior, n, generator, request.batch_size, c.guidance, progress
    )
    if not ends.isfinite().all():
        raise DataError(
            "sampling diverged: weights are not finite; lower guidance.strength or solver.noise, "
            "or take more solver.steps"
        )
    networks = _decode_points(c, starts, ends, generator, spill)
    return networks if cond is None or c.condition is None else c.condition.annotate(networks, cond)


def check_condition(components: Components, request: SampleRequest) -> None:
    """
    Raises:
        DataError: the flow cannot be conditioned as requested.
    """
    if components.condition is not None:
        components.condition.check_request(request.condition, request.guidance_scale)
    elif request.condition:
        names = ", ".join(request.condition)
        raise DataError(
            f"the flow has no condition, and samples of a given {names} are requested"
        ).at("condition", next(iter(request.condition)))
    elif request.guidance_scale != 1:
        raise DataError(
            f"guidance_scale {request.guidance_scale:g} weighs a condition, and the flow has none; "
            "give the spec a `condition`"
        ).at("guidance_scale")


def _decode_points(
    c: Components, starts: Tensor, ends: Tensor, generator: torch.Generator, spill: SpillDir
) -> WeightSet:
    """Networks of points ``[n, D]``, with BatchNorm statistics of their own."""
    template, size = c.architecture.template, c.architecture.symmetry.layout.size
    recalibrate = c.scope["recalibrate"]
    if c.codec and spill.exceeds(len(ends), size):
        weights = spill.decode("weights", c.codec, ends, size, generator)
        initial = spill.decode("initial", c.codec, starts, size)
        networks = WeightSet.from_module(template, weights, initial=initial)
        return with_buffers_of(recalibrate, networks)
    weights = c.codec.decode_stochastic(ends, generator) if c.codec else ends
    initial = c.codec.decode(starts) if c.codec else starts
    return spill.spill(recalibrate(WeightSet.from_module(template, weights, initial=initial)))
