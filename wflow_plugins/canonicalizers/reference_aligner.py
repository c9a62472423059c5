"""What canonicalizers share that bring every network to one reference."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.symmetry.groups import GroupElement
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import iter_chunks, load

CHUNK = 1024


class ToReference(Canonicalizer):
    """Permutes the units of each network to lie closest to one reference.

    The reference starts as the zoo's first network; ``reference_updates`` times it becomes the
    mean of the networks that were aligned to it.
    """

    reference: Tensor | None = None

    @abstractmethod
    def brought(self, weights: Tensor, reference: Tensor) -> GroupElement:
        """The element that brings ``[B, P]`` closest to ``reference [1, P]``."""

    def fit(self, zoo: WeightSet) -> None:
        symmetry, reference = self.architecture.symmetry, load(zoo.weights[:1])
        with torch.no_grad():
            for _ in range(self.config.reference_updates):
                total = torch.zeros_like(reference)
                for w in iter_chunks(zoo.weights, CHUNK):
                    total += symmetry.act(w, self.brought(w, reference)).sum(0)
                reference = total / len(zoo)
        self.reference = reference

    def group_element(self, weights: Tensor) -> GroupElement:
        if self.reference is None:
            raise RuntimeError("fit() comes first")
        with torch.no_grad():
            return self.brought(weights, self.reference.to(weights))
