"""Re-basin by matching activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.needs import DATA, SYMMETRY
from wflow_core.interfaces.task import Task
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.canonicalizers.activations import activations, readers, standardized
from wflow_plugins.canonicalizers.on_data import OnData
from wflow_plugins.canonicalizers.reference_aligner import ToReference
from wflow_plugins.matching.similarity import assign

BUDGET = 2**28
"""Bytes that the activations of one chunk of networks may take, roughly."""


class ActivationMatching(ToReference):
    """Pairs units whose activations on training rows correlate most with the reference's.

    The activation of a unit is what the linear layer or convolution that reads it takes in; places
    of a feature map count as observations of their own. One assignment a group, whichever way
    other groups lie. Where an activation lets signs through, correlations count by their size and
    signs are matched, too. Nested groups are refused.

    Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), section 3.1; Li, Yosinski, Clune,
    Lipson, Hopcroft 2016 (arXiv 1511.07543).
    """

    class Config(Options):
        num_rows: int = Field(512, ge=2, description="rows of the training split at most")
        reference_updates: int = Field(
            1, ge=0, description="times that the reference becomes the mean"
        )
        seed: int = Field(0, ge=0, description="of the choice of rows")
        renamed: ClassVar[Mapping[str, str]] = {
            "samples": "num_rows",
            "rounds": "reference_updates",
        }

    needs = frozenset({SYMMETRY, DATA})

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        self.data = OnData(architecture, task, "activation_matching")
        self.readers = readers(self.data.networks.module, architecture.symmetry)

    def brought(self, weights: Tensor, reference: Tensor) -> GroupElement:
        x = next(self.data.batches(self.config.num_rows, self.config.seed, weights)).x
        wanted = self._seen(reference, x)
        bytes_each = sum(w.numel() * w.element_size() for w in wanted.values())
        chunk = max(1, BUDGET // max(1, 4 * bytes_each))
        pieces = [self._likeness(self._seen(w, x), wanted) for w in weights.split(chunk)]
        perm, scale = {}, {}
        for group in wanted:
            likeness = torch.cat([piece[group] for piece in pieces])
            signed = self.architecture.symmetry.groups[group].scaling in ("sign", "nonzero")
            perm[group] = assign(likeness.abs() if signed else likeness)
            if signed:
                chosen = torch.take_along_dim(likeness, perm[group].unsqueeze(-1), 2).squeeze(-1)
                scale[group] = torch.where(chosen < 0, -1.0, 1.0).to(chosen)
        return GroupElement(perm, scale)

    def _seen(self, weights: Tensor, x: Tensor) -> dict[str, Tensor]:
        state = self.data.state(weights)
        seen = activations(self.data.networks.module, self.readers, state, x)
        return {group: standardized(values) for group, values in seen.items()}

    @staticmethod
    def _likeness(own: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
        """``{group: [B, n, n]}``: correlation of reference units (rows) with own (columns)."""
        return {group: wanted[group] @ values.mT for group, values in own.items()}
