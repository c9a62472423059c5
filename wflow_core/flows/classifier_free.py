"""What samples are conditioned on, and how much: classifier-free guidance.

``v = v_null + w (v_given - v_null)`` (Ho & Salimans 2022, arXiv 2207.12598). Shapes: S samples, K
records, D dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wflow_core.conditions import Conditions
from wflow_core.errors import DataError
from wflow_core.flows.flow import Flow, Model
from wflow_core.interfaces.solver import VectorField
from wflow_core.specs.options import SampleOptions
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class Condition:
    """What S samples are conditioned on.

    Attributes:
        given: ``[S, K]``, a row a sample.
        scale: the weight w; 1 is the plain condition, 0 none.
    """

    conditions: Conditions
    given: Tensor
    scale: float = 1.0

    def __getitem__(self, index: slice) -> Condition:
        return replace(self, given=self.given[index])

    def noted(self, networks: WeightSet) -> WeightSet:
        """Networks that were made under it, with what was asked of each as their records."""
        records: dict[str, Tensor] = {}
        for record, column in zip(self.conditions.records, self.given.T, strict=True):
            known = record.categories is not None
            records[record.name] = column.nan_to_num(-1).long() if known else column.clone()
        named = {r.name: r.categories for r in self.conditions.records if r.categories is not None}
        return replace(networks, records=records, categories=named)


def ask(
    conditions: Conditions,
    options: SampleOptions,
    zoo: Callable[[], WeightSet],
    n: int,
    generator: torch.Generator,
) -> Condition | None:
    """What ``n`` samples are conditioned on; None for a flow without conditions.

    Args:
        options: its ``condition`` and ``guidance_scale``.
        zoo: gives networks whose records stand for what is not asked for, if any is not.

    Raises:
        DataError: as ``Conditions.draw`` and ``refuse_scale``.
    """
    wanted, scale = options.condition, options.guidance_scale
    refuse_scale(conditions, scale)
    numbers = conditions.numbers(wanted)
    if not conditions:
        return None
    given = conditions.null.to(generator.device).expand(n, -1)
    if scale and len(numbers) == len(conditions):
        given = conditions.row(wanted).to(generator.device).expand(n, -1)
    elif scale:
        given = conditions.draw(wanted, conditions.columns(zoo()), n, generator)
    return Condition(conditions, given, scale)


def refuse_scale(conditions: Conditions, scale: float) -> None:
    """
    Raises:
        DataError: a flow under these conditions did not learn what guidance of this scale needs.
    """
    if scale == 1:
        return
    if not conditions:
        raise DataError(
            f"guidance_scale {scale:g} weighs a condition, and the flow has none; name records by "
            "`condition` of the spec"
        )
    if not conditions.drop:
        raise DataError(
            f"guidance_scale {scale:g} needs the flow to be trained without conditions, too; set "
            "condition.drop above 0"
        )


def conditioned(flow: Flow, model: Model, condition: Condition | None) -> VectorField:
    """The field under a condition.

    Velocities are combined at one point, where both are tangent, and where predicted ends land
    after each has landed; so what is followed is again a field of the manifold.
    """
    if condition is None:
        return flow.field(model)
    given, scale = condition.given, condition.scale
    if scale == 1:
        return flow.field(model, given=given)
    null = flow.field(model, given=torch.full_like(given, torch.nan))
    if scale == 0:
        return null
    wanted = flow.field(model, given=given)
    return lambda t, x: torch.lerp(null(t, x), wanted(t, x), scale)
