"""Weight matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.canonicalizers.reference_aligner import ReferenceAligner
from wflow_plugins.matching.matching import match


class WeightMatching(ReferenceAligner):
    """Permutes the units of each network to minimise the distance to one reference.

    Coordinate descent with one assignment problem per group; nested groups first. The reference is
    the zoo's first network at the start, then the mean of the aligned networks. Source: Ainsworth,
    Hayase, Srinivasa 2023 (arXiv 2209.04836), algorithms 1, 3.
    """

    class Config(Options):
        reference_updates: int = Field(
            3, ge=0, description="updates of the reference to the mean of the aligned networks"
        )
        normalize: bool = Field(
            False, description="weight each part by one over its mean square in the reference"
        )
        renamed: ClassVar[Mapping[str, str]] = {"rounds": "reference_updates"}

    def align_element(self, weights: Tensor, reference: Tensor) -> GroupElement:
        symmetry = self.architecture.symmetry
        return match(symmetry, weights, reference, self.config.normalize)
