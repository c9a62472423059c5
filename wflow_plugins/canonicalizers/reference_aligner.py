"""Base class of canonicalizers that align every network to one reference."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.symmetry.groups import GroupElement
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import iter_chunks, load

CHUNK = 1024


class ReferenceAligner(Canonicalizer):
    """Aligns the units of each network to one reference.

    The reference is the zoo's first network at the start, and is replaced ``reference_updates``
    times by the mean of the networks aligned to it.
    """

    reference: Tensor | None = None

    @abstractmethod
    def align_element(self, weights: Tensor, reference: Tensor) -> GroupElement:
        """``[B, P] ->`` the element that moves each network closest to ``reference [1, P]``."""

    def fit(self, zoo: WeightSet) -> None:
        symmetry, reference = self.architecture.symmetry, load(zoo.weights[:1])
        with torch.no_grad():
            for _ in range(self.config.reference_updates):
                total = torch.zeros_like(reference)
                for w in iter_chunks(zoo.weights, CHUNK):
                    total += symmetry.act(w, self.align_element(w, reference)).sum(0)
                reference = total / len(zoo)
        self.reference = reference

    def group_element(self, weights: Tensor) -> GroupElement:
        if self.reference is None:
            raise RuntimeError("call fit() before group_element()")
        with torch.no_grad():
            return self.align_element(weights, self.reference.to(weights))
