"""Re-basin of transformers, heads first.

Shapes: B networks, H heads, r singular values of a head.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Task
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.canonicalizers.linear_pairs import Blocks, linear_pairs, sides, singular
from wflow_plugins.canonicalizers.reference_aligner import ToReference
from wflow_plugins.matching.elements import compose
from wflow_plugins.matching.matching import match
from wflow_plugins.matching.similarity import assign


class Transfusion(ToReference):
    """Brings transformers closest to one reference, attention heads by their spectra first.

    Heads are paired whose products of queries with keys, and of values with outputs, have singular
    values most alike: numbers that depend neither on the order of units, inside the heads or
    outside, nor on the continuous symmetry inside. Then weight matching orders everything else,
    units inside the paired heads among it.

    Source: Rinaldi et al. 2025 (arXiv 2505.22697), which compares the spectra of the matrices
    themselves, not of their products.
    """

    class Config(Options):
        reference_updates: int = Field(
            3, ge=0, description="times that the reference becomes the mean"
        )
        normalize: bool = Field(
            False, description="weigh each part by one over its mean square in the reference"
        )
        renamed: ClassVar[Mapping[str, str]] = {"rounds": "reference_updates"}

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        symmetry = architecture.symmetry
        self.pairs = linear_pairs(symmetry, "transfusion")
        parents = {group: symmetry.groups[group].parent or "" for group in self.pairs}
        self.inside = {
            heads: tuple(group for group, parent in parents.items() if parent == heads)
            for heads in dict.fromkeys(parents.values())
            if symmetry.groups[heads].permutable
        }
        self.settled = with_fixed(symmetry, set(self.inside))

    def brought(self, weights: Tensor, reference: Tensor) -> GroupElement:
        symmetry = self.architecture.symmetry
        graph = symmetry.graph
        own, wanted = graph.split(weights), graph.split(reference)
        first = GroupElement({heads: self._paired(heads, own, wanted) for heads in self.inside})
        del own, wanted  # each as large as the networks
        moved = symmetry.act(weights, first)
        then = match(self.settled, moved, reference, self.config.normalize)
        return compose(symmetry, first, then)

    def _paired(self, heads: str, own: Blocks, wanted: Blocks) -> Tensor:
        """Blocks of B networks and of the reference ``-> [B, H]``: the own head that each head of
        the reference gets."""
        far = torch.zeros(())
        for group in self.inside[heads]:
            mine, theirs = self._spectra(group, own), self._spectra(group, wanted)
            size = theirs.square().mean().clamp_min(torch.finfo(theirs.dtype).tiny)
            gap = theirs.unsqueeze(-2) - mine.unsqueeze(-3)  # [B, H, H, r]
            far = far.to(gap) + gap.square().sum(-1) / size
        return assign(-far)

    def _spectra(self, group: str, pieces: Blocks) -> Tensor:
        """``[B, H, r]`` singular values of the products of a pair."""
        symmetry = self.architecture.symmetry
        return singular(*sides(symmetry, pieces, group))[1]


def with_fixed(symmetry: Symmetry, names: set[str]) -> Symmetry:
    """The same symmetry but for some groups, whose units now stay where they are."""
    _ = symmetry.graph  # built before, so that both share it
    same = copy.copy(symmetry)
    same.groups = {
        name: replace(group, kind="fixed") if name in names else group
        for name, group in symmetry.groups.items()
    }
    return same
