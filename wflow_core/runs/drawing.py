"""Networks from points of the space that the flow lives in, and points from networks.

Shapes: n networks, D coordinates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.assembly.assembly import Assembly
from wflow_core.errors import DataError
from wflow_core.flows.classifier_free import Condition
from wflow_core.flows.sampling import draw_points
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.component import Report
from wflow_core.interfaces.velocity import Velocity
from wflow_core.runs import streaming
from wflow_core.runs.streaming import Scratch
from wflow_core.space import Points
from wflow_core.weights import WeightSet


def draw_networks(
    assembly: Assembly,
    velocity: Velocity,
    n: int,
    generator: torch.Generator,
    report: Report,
    condition: Condition | None = None,
    scratch: Scratch | None = None,
) -> WeightSet:
    """``n`` networks from a trained velocity, each with the prior point it came from.

    Args:
        scratch: where they lie if they are too large for memory.
    """
    a, velocity = assembly, velocity.to(generator.device)
    starts, ends = draw_points(
        a.flow, velocity, a.solver, a.prior, n, generator, a.spec.sample.batch_size, a.guidance,
        report, condition,
    )  # fmt: skip
    if not ends.isfinite().all():
        raise DataError(
            "sampling diverged: weights are not finite; lower guidance.strength or solver.noise, "
            "or take more solver.steps"
        )
    networks = _decoded(a, starts, ends, generator, scratch)
    return condition.noted(networks) if condition else networks


def _decoded(
    a: Assembly, starts: Tensor, ends: Tensor, generator: torch.Generator, scratch: Scratch | None
) -> WeightSet:
    """Networks of points ``[n, D]``, with BatchNorm statistics of their own."""
    module, size = a.architecture.module, a.architecture.bound_symmetry.layout.size
    if a.codec and scratch and scratch.large(len(ends), size):
        weights = scratch.decoded("weights", a.codec, ends, size, generator)
        initial = scratch.decoded("initial", a.codec, starts, size)
        networks = WeightSet.of(module, weights, initial=initial)
        return streaming.recalibrated(a.recalibration, networks)
    weights = a.codec.sample(ends, generator) if a.codec else ends
    initial = a.codec.decode(starts) if a.codec else starts
    networks = a.recalibration(WeightSet.of(module, weights, initial=initial))
    return scratch.spill(networks) if scratch else networks


def points_of(zoo: WeightSet, codec: Codec | None) -> Points:
    """A weight set as points of the space: encoded where there is a codec."""
    if codec is None:
        return Points(zoo.weights, zoo.run, zoo.initial)
    initial = None if zoo.initial is None else streaming.encoded(codec, zoo.initial)
    return Points(streaming.encoded(codec, zoo.weights), zoo.run, initial)
