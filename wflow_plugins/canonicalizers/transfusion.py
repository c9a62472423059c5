"""Alignment of transformers, heads first.

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
from wflow_plugins.canonicalizers.linear_pairs import Blocks, factors, linear_pairs, svd_of_product
from wflow_plugins.canonicalizers.reference_aligner import ReferenceAligner
from wflow_plugins.matching.elements import compose
from wflow_plugins.matching.matching import match
from wflow_plugins.matching.similarity import assign


class Transfusion(ReferenceAligner):
    """Aligns transformers to one reference: first attention heads, by their spectra.

    Heads are matched by the singular values of the products of queries with keys, and of values
    with outputs, which depend neither on the order of units nor on the continuous symmetry inside
    heads. Weight matching then aligns all other units, including those inside matched heads.

    Source: Rinaldi et al. 2025 (arXiv 2505.22697), which uses the spectra of the matrices
    themselves, not of their products.
    """

    class Config(Options):
        reference_updates: int = Field(
            3, ge=0, description="updates of the reference to the mean of the aligned networks"
        )
        normalize: bool = Field(
            False, description="weight each part by one over its mean square in the reference"
        )
        renamed: ClassVar[Mapping[str, str]] = {"rounds": "reference_updates"}

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        symmetry = architecture.symmetry
        self.pairs = linear_pairs(symmetry, "transfusion")
        parents = {group: symmetry.groups[group].parent or "" for group in self.pairs}
        self.pairs_of_heads = {
            heads: tuple(group for group, parent in parents.items() if parent == heads)
            for heads in dict.fromkeys(parents.values())
            if symmetry.groups[heads].permutable
        }
        self.symmetry_without_heads = fix_groups(symmetry, set(self.pairs_of_heads))

    def align_element(self, weights: Tensor, reference: Tensor) -> GroupElement:
        symmetry = self.architecture.symmetry
        graph = symmetry.graph
        blocks, reference_blocks = graph.split(weights), graph.split(reference)
        matched = {h: self._match_heads(h, blocks, reference_blocks) for h in self.pairs_of_heads}
        first = GroupElement(matched)
        del blocks, reference_blocks  # each as large as the networks
        aligned_heads = symmetry.act(weights, first)
        second = match(self.symmetry_without_heads, aligned_heads, reference, self.config.normalize)
        return compose(symmetry, first, second)

    def _match_heads(self, heads: str, blocks: Blocks, reference_blocks: Blocks) -> Tensor:
        """``[B, H]``: the head of each network at each head of the reference."""
        cost = torch.zeros(())
        for group in self.pairs_of_heads[heads]:
            spectra, target = self._spectra(group, blocks), self._spectra(group, reference_blocks)
            scale = target.square().mean().clamp_min(torch.finfo(target.dtype).tiny)
            difference = target.unsqueeze(-2) - spectra.unsqueeze(-3)  # [B, H, H, r]
            cost = cost.to(difference) + difference.square().sum(-1) / scale
        return assign(-cost)

    def _spectra(self, group: str, blocks: Blocks) -> Tensor:
        """``[B, H, r]``: singular values of the product of a pair, in each head."""
        symmetry = self.architecture.symmetry
        return svd_of_product(*factors(symmetry, blocks, group))[1]


def fix_groups(symmetry: Symmetry, names: set[str]) -> Symmetry:
    """The symmetry with some groups fixed."""
    _ = symmetry.graph  # built here, so that both share it
    fixed = copy.copy(symmetry)
    fixed.groups = {
        name: replace(group, kind="fixed") if name in names else group
        for name, group in symmetry.groups.items()
    }
    return fixed
