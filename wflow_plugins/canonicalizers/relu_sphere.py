"""Normalisation of the incoming weights of each unit."""

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
from wflow_plugins.manifolds.unit_spheres import unconstrained_indices, unit_scales, unit_spheres
from wflow_plugins.needs import UNIT_SPHERES, with_option
from wflow_plugins.objectives import Regression


class ReluSphere(Canonicalizer):
    """Scales the incoming weights of each unit to unit norm, and its outgoing ones inversely.

    With ``last_norm`` the weights of the last layer are scaled to that joint norm, which preserves
    decisions but sharpens or softens probabilities, and thus sets the scale of the loss. Each
    snapshot and each initialisation has its own scales, so that it lies on the spheres.
    Source: Pittorino et al. 2022 (arXiv 2202.03038).
    """

    class Config(Options):
        last_norm: float | None = Field(
            None, gt=0, description="norm of the last layer's weights; null: not scaled"
        )

    granularity = "network"
    offers = frozenset({UNIT_SPHERES})

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        unit_spheres(architecture.symmetry)  # raises where there are none
        if self.config.last_norm is not None:
            check_single_last_layer(architecture.symmetry)
            check_classification(task)
            self.preserves = "decision"
            self.offers = self.offers | {
                with_option(UNIT_SPHERES, "last_norm", self.config.last_norm)
            }

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: Tensor) -> GroupElement:
        return unit_scales(self.architecture.symmetry, weights)

    def act(self, weights: Tensor, element: GroupElement) -> Tensor:
        scaled = super().act(weights, element)
        if self.config.last_norm is None:
            return scaled
        last = unconstrained_indices(self.architecture.symmetry).to(weights.device)
        norm = scaled[:, last].norm(dim=1, keepdim=True)
        return scaled.index_copy(1, last, scaled[:, last] * self.config.last_norm / norm)


def check_classification(task: Task | None) -> None:
    """Check that the task is no regression, since scaled outputs are other values.

    Raises:
        UnsupportedError: it is one.
    """
    if task is not None and isinstance(task.objective, Regression):
        raise UnsupportedError(
            f"last_norm preserves decisions only, but the outputs of {task!r} are values, which it "
            "would change; remove last_norm"
        )


def check_single_last_layer(symmetry: Symmetry) -> None:
    """Check that the weights outside the spheres are one linear layer, which scales all outputs.

    Raises:
        UnsupportedError: they are not.
    """
    constrained = {b.part for g in unit_spheres(symmetry) for b in symmetry.graph.blocks.values()
              if symmetry.parts[b.part].part.scale_exponent.get(g) == 1}  # fmt: skip
    unconstrained = [b for b in symmetry.graph.blocks.values() if b.part not in constrained]
    inputs = {g for b in unconstrained for g in b.groups if symmetry.groups[g].permutable}
    outputs = {b.groups[0] for b in unconstrained}
    if len(inputs) > 1 or len(outputs) > 1 or any(symmetry.groups[g].permutable for g in outputs):
        names = ", ".join(b.name for b in unconstrained)
        raise UnsupportedError(
            f"last_norm: the weights outside the units' spheres ({names}) are not one last layer; "
            "remove last_norm"
        )
