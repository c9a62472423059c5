"""Incoming weights of each unit on the unit sphere."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Task
from wflow_core.symmetry import GroupElement, Symmetry
from wflow_core.weights import WeightSet
from wflow_plugins.manifolds.unit_spheres import outside, unit_scales, unit_spheres
from wflow_plugins.needs import UNIT_SPHERES, with_option
from wflow_plugins.objectives import Regression


class ReluSphere(Canonicalizer):
    """Scales the incoming weights of each unit to unit norm and its outgoing ones back.

    With ``last_norm`` all weights of the last layer together get that norm, which keeps decisions
    but sharpens or softens probabilities: it sets the scale of the loss. Each snapshot and each
    initialisation is scaled by its own factors, else it would not lie on the spheres.
    Source: Pittorino et al. 2022 (arXiv 2202.03038).
    """

    class Config(Options):
        last_norm: float | None = Field(
            None, gt=0, description="norm of the last layer's weights; none: left as they are"
        )

    granularity = "network"
    offers = frozenset({UNIT_SPHERES})

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        unit_spheres(architecture.symmetry)  # refuses what has none
        if self.config.last_norm is not None:
            refuse_many_layers(architecture.symmetry)
            refuse_values(task)
            self.preserves = "decision"
            self.offers = self.offers | {with_option(UNIT_SPHERES, "last_norm", self.config.last_norm)}

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: Tensor) -> GroupElement:
        return unit_scales(self.architecture.symmetry, weights)

    def act(self, weights: Tensor, element: GroupElement) -> Tensor:
        moved = super().act(weights, element)
        if self.config.last_norm is None:
            return moved
        last = outside(self.architecture.symmetry).to(weights.device)
        norm = moved[:, last].norm(dim=1, keepdim=True)
        return moved.index_copy(1, last, moved[:, last] * self.config.last_norm / norm)


def refuse_values(task: Task | None) -> None:
    """Scaled outputs are the same decisions, but other values."""
    if task is not None and isinstance(task.objective, Regression):
        raise UnsupportedError(
            f"last_norm keeps decisions alone, and {task!r} asks for values, which it would "
            "change; leave last_norm out"
        )


def refuse_many_layers(symmetry: Symmetry) -> None:
    """Only the weights of one linear last layer scale all outputs alike."""
    inside = {b.part for g in unit_spheres(symmetry) for b in symmetry.graph.blocks.values()
              if symmetry.parts[b.part].part.scale_exponent.get(g) == 1}  # fmt: skip
    rest = [b for b in symmetry.graph.blocks.values() if b.part not in inside]
    readers = {g for b in rest for g in b.groups if symmetry.groups[g].permutable}
    outputs = {b.groups[0] for b in rest}
    if len(readers) > 1 or len(outputs) > 1 or any(symmetry.groups[g].permutable for g in outputs):
        names = ", ".join(b.name for b in rest)
        raise UnsupportedError(
            f"last_norm: the weights outside of units' spheres ({names}) are not one last layer; "
            "leave last_norm out"
        )
