"""Activation matching."""

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
from wflow_plugins.canonicalizers.activations import find_readers, record_activations, standardize
from wflow_plugins.canonicalizers.data_evaluator import DataEvaluator
from wflow_plugins.canonicalizers.reference_aligner import ReferenceAligner
from wflow_plugins.matching.similarity import assign

CHUNK_BYTES = 2**28
"""Approximate limit for the activations of one chunk of networks."""


class ActivationMatching(ReferenceAligner):
    """Matches units by the correlation of their activations with the reference's.

    The activation of a unit is the input of the linear layer or convolution that reads it;
    positions of a feature map count as observations. Each group is one assignment problem,
    independent of other groups. Where the activation function commutes with signs, absolute
    correlations are used and signs are matched, too. Nested groups are not supported.

    Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), section 3.1; Li, Yosinski, Clune,
    Lipson, Hopcroft 2016 (arXiv 1511.07543).
    """

    class Config(Options):
        num_rows: int = Field(512, ge=2, description="maximum number of training rows")
        reference_updates: int = Field(
            1, ge=0, description="updates of the reference to the mean of the aligned networks"
        )
        seed: int = Field(0, ge=0, description="seed of the choice of rows")
        renamed: ClassVar[Mapping[str, str]] = {
            "samples": "num_rows",
            "rounds": "reference_updates",
        }

    needs = frozenset({SYMMETRY, DATA})

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        self.evaluator = DataEvaluator(architecture, task, "activation_matching")
        self.readers = find_readers(self.evaluator.networks.module, architecture.symmetry)

    def align_element(self, weights: Tensor, reference: Tensor) -> GroupElement:
        x = next(self.evaluator.batches(self.config.num_rows, self.config.seed, weights)).x
        reference_activations = self._activations(reference, x)
        bytes_each = sum(w.numel() * w.element_size() for w in reference_activations.values())
        size = max(1, CHUNK_BYTES // max(1, 4 * bytes_each))
        chunks = [
            self._correlations(self._activations(w, x), reference_activations)
            for w in weights.split(size)
        ]
        perm, scale = {}, {}
        for group in reference_activations:
            correlation = torch.cat([chunk[group] for chunk in chunks])
            signed = self.architecture.symmetry.groups[group].scaling in ("sign", "nonzero")
            perm[group] = assign(correlation.abs() if signed else correlation)
            if signed:
                index = perm[group].unsqueeze(-1)
                assigned = torch.take_along_dim(correlation, index, 2).squeeze(-1)
                scale[group] = torch.where(assigned < 0, -1.0, 1.0).to(assigned)
        return GroupElement(perm, scale)

    def _activations(self, weights: Tensor, x: Tensor) -> dict[str, Tensor]:
        state = self.evaluator.state(weights)
        values = record_activations(self.evaluator.networks.module, self.readers, state, x)
        return {group: standardize(v) for group, v in values.items()}

    @staticmethod
    def _correlations(
        activations: dict[str, Tensor], reference: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """``{group: [B, n, n]}``: correlations of reference units (rows) and units (columns)."""
        return {group: reference[group] @ values.mT for group, values in activations.items()}
