"""Re-basin by weight matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.canonicalizers.reference_aligner import ToReference
from wflow_plugins.matching.matching import match


class WeightMatching(ToReference):
    """Brings every network closest to one reference by permuting its units.

    One assignment problem a group in turn, until none changes; nested groups inner first. The
    reference starts as the zoo's first network and becomes the mean of the networks that were
    aligned to it. Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), algorithms 1, 3.
    """

    class Config(Options):
        reference_updates: int = Field(
            3, ge=0, description="times that the reference becomes the mean"
        )
        normalize: bool = Field(
            False, description="weigh each part by one over its mean square in the reference"
        )
        renamed: ClassVar[Mapping[str, str]] = {"rounds": "reference_updates"}

    def brought(self, weights: Tensor, reference: Tensor) -> GroupElement:
        symmetry = self.architecture.symmetry
        return match(symmetry, weights, reference, self.config.normalize)
