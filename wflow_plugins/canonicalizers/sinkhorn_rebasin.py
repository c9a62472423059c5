"""Sinkhorn re-basin: alignment by learned soft permutations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Split, Task
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.canonicalizers.data_evaluator import DataEvaluator
from wflow_plugins.canonicalizers.reference_aligner import ReferenceAligner
from wflow_plugins.canonicalizers.sinkhorn import soft_act, soft_permutation
from wflow_plugins.matching.matching import refine
from wflow_plugins.matching.similarity import assign, inverse_mean_square

CHUNK_BYTES = 2**28
"""Approximate memory limit of one chunk of networks."""

SoftPermutations = dict[str, Tensor]


class SinkhornRebasin(ReferenceAligner):
    """Learns the permutations that align networks to one reference, all networks in a batch.

    Each permutable group has a matrix of logits, which Sinkhorn iterations make doubly stochastic.
    Adam minimises the objective through them, and an assignment rounds the result to permutations.
    Objectives: ``l2``, the distance to the reference; ``midpoint``, the task's loss halfway between
    network and reference; ``random``, the loss at a random point between them, another one at each
    iteration. All logits start equal, so the result does not depend on the order of units. With
    ``l2``, a few sweeps of weight matching refine the result. Only these sweeps match signs, where
    activations commute with them, so a copy with other signs may be mapped elsewhere. Nested groups
    are not supported.

    Source: Pena, Medeiros, Dubail, Aminbeidokhti, Granger, Pedersoli 2023 (arXiv 2212.12042).
    """

    class Config(Options):
        objective: Literal["l2", "midpoint", "random"] = Field(
            "l2", description="objective to minimise"
        )
        iterations: int = Field(100, ge=1, description="steps of Adam")
        lr: float = Field(0.1, gt=0, description="learning rate of Adam")
        temperature: float = Field(1.0, gt=0, description="divisor of the logits")
        sinkhorn: int = Field(20, ge=1, description="Sinkhorn iterations per step")
        refine_sweeps: int = Field(
            3, ge=0, description="final sweeps of weight matching, with objective `l2` only"
        )
        reference_updates: int = Field(
            1, ge=0, description="updates of the reference to the mean of the aligned networks"
        )
        normalize: bool = Field(
            False, description="weight each part by one over its mean square in `l2`"
        )
        batch_size: int = Field(128, ge=1, description="training rows per step, except with `l2`")
        seed: int = Field(0, ge=0, description="seed of the rows and the random points")
        renamed: ClassVar[Mapping[str, str]] = {
            "polish": "refine_sweeps",
            "rounds": "reference_updates",
        }

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        symmetry, objective = architecture.symmetry, self.config.objective
        if nested := [g for g, group in symmetry.permutable.items() if group.parent]:
            raise UnsupportedError(
                f"sinkhorn_rebasin does not support nested groups: {nested}; use weight_matching"
            )
        component = f"sinkhorn_rebasin with objective {objective!r}"
        self.evaluator = None if objective == "l2" else DataEvaluator(architecture, task, component)

    def align_element(self, weights: Tensor, reference: Tensor) -> GroupElement:
        elements = [self._align_chunk(w, reference) for w in weights.split(self._chunk_size())]
        groups = self.architecture.symmetry.permutable
        return GroupElement(
            {g: torch.cat([e.perm[g] for e in elements]) for g in groups},
            {g: torch.cat([e.scale[g] for e in elements]) for g in elements[0].scale},
        )

    def _align_chunk(self, weights: Tensor, reference: Tensor) -> GroupElement:
        symmetry, config = self.architecture.symmetry, self.config
        soft = self._optimize(weights, self._objective(weights, reference))
        element = GroupElement({g: assign(matrix) for g, matrix in soft.items()})
        if config.objective != "l2" or not config.refine_sweeps:
            return element
        return refine(symmetry, weights, reference, element, config.refine_sweeps, config.normalize)

    def _optimize(
        self, weights: Tensor, objective: Callable[[SoftPermutations], Tensor]
    ) -> SoftPermutations:
        """The optimised soft permutations ``{group: [B, n, n]}``."""
        sizes = {g: group.size for g, group in self.architecture.symmetry.permutable.items()}
        logits = {g: weights.new_zeros(len(weights), n, n) for g, n in sizes.items()}
        optimizer = torch.optim.Adam([p.requires_grad_() for p in logits.values()], self.config.lr)
        with torch.enable_grad():
            for _ in range(self.config.iterations):
                optimizer.zero_grad()
                # The sum gives each network the gradient of its own objective.
                objective(self._soft_permutations(logits)).sum().backward()
                optimizer.step()
        with torch.no_grad():
            return self._soft_permutations(logits)

    def _soft_permutations(self, logits: SoftPermutations) -> SoftPermutations:
        c = self.config
        return {g: soft_permutation(p, c.temperature, c.sinkhorn) for g, p in logits.items()}

    def _objective(
        self, weights: Tensor, reference: Tensor
    ) -> Callable[[SoftPermutations], Tensor]:
        """The objective: soft permutations ``-> [B]``."""
        graph = self.architecture.symmetry.graph
        blocks = graph.split(weights)
        if self.evaluator is None:
            reference_blocks = graph.split(reference)
            return lambda soft: self._distance(soft_act(graph, blocks, soft), reference_blocks)
        evaluator, steps = self.evaluator, self._steps(weights)

        def loss(soft: SoftPermutations) -> Tensor:
            batch, fraction = next(steps)
            aligned = graph.merge(soft_act(graph, blocks, soft))
            return evaluator.loss(torch.lerp(reference, aligned, fraction), batch)

        return loss

    def _distance(self, blocks: dict[str, Tensor], reference: dict[str, Tensor]) -> Tensor:
        squares = {name: (blocks[name] - block).square() for name, block in reference.items()}
        if self.config.normalize:
            squares = {
                name: s * inverse_mean_square(reference[name]) for name, s in squares.items()
            }
        return torch.stack([s.flatten(1).sum(1) for s in squares.values()]).sum(0)

    def _steps(self, weights: Tensor) -> Iterator[tuple[Split, float]]:
        """Training rows and interpolation weights, the same for all networks."""
        assert self.evaluator is not None
        generator = torch.Generator().manual_seed(self.config.seed)
        for batch in self.evaluator.batches(self.config.batch_size, self.config.seed, weights):
            random = self.config.objective == "random"
            yield batch, torch.rand((), generator=generator).item() if random else 0.5

    def _chunk_size(self) -> int:
        symmetry = self.architecture.symmetry
        entries = 10 * (sum(g.size**2 for g in symmetry.permutable.values()) + symmetry.layout.size)
        if self.evaluator is not None:
            widest = max(g.size for g in symmetry.groups.values())
            entries += 4 * self.config.batch_size * widest
        return int(max(1, CHUNK_BYTES // (4 * entries)))
