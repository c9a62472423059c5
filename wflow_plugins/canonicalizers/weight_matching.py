"""Re-basin by weight matching."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.groups import Element
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.component import Options
from wflow_core.matching import align, match
from wflow_core.weights import WeightSet


class WeightMatching(Canonicalizer):
    """Brings every network closest to one reference by permuting its units.

    The reference starts as the zoo's first network and becomes the mean of the networks that were
    aligned to it. Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), algorithms 1, 3.
    """

    class Config(Options):
        rounds: int = Field(3, ge=0, description="times that the reference becomes the mean")

    reference: Tensor | None = None

    def fit(self, zoo: WeightSet) -> None:
        reference = zoo.weights[:1]
        for _ in range(self.config.rounds):
            aligned = align(self.architecture.bound_symmetry, zoo.weights, reference)
            reference = aligned.mean(0, keepdim=True)
        self.reference = reference

    def element(self, weights: Tensor) -> Element:
        if self.reference is None:
            raise RuntimeError("fit() comes first")
        with torch.no_grad():
            return match(self.architecture.bound_symmetry, weights, self.reference)
