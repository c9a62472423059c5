"""Re-basin by learning soft permutations."""

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
from wflow_plugins.canonicalizers.on_data import OnData
from wflow_plugins.canonicalizers.reference_aligner import ToReference
from wflow_plugins.canonicalizers.sinkhorn import soft_act, soft_permutation
from wflow_plugins.matching.matching import refine
from wflow_plugins.matching.similarity import assign, block_weight

BUDGET = 2**28
"""Bytes that one chunk of networks may take while it is optimised, roughly."""

Soft = dict[str, Tensor]


class SinkhornRebasin(ToReference):
    """Learns the permutations that bring networks to one reference, all networks at once.

    Each permutable group has a matrix of logits, which Sinkhorn's iterations make doubly stochastic;
    Adam lowers the objective through them, then an assignment makes them permutations. Objectives:
    ``l2``, the distance to the reference; ``midpoint``, the task's loss halfway to it; ``random``,
    that at a random point of the way, another at each iteration. The optimisation starts from
    equal entries, so that the order in which units come does not matter. With ``l2``, a few sweeps
    of weight matching refine the result. Only they turn signs where an activation lets them
    through, so a copy of other signs may not be found as one. Nested groups are refused.

    Source: Pena, Medeiros, Dubail, Aminbeidokhti, Granger, Pedersoli 2023 (arXiv 2212.12042).
    """

    class Config(Options):
        objective: Literal["l2", "midpoint", "random"] = Field("l2", description="what is lowered")
        iterations: int = Field(100, ge=1, description="steps of Adam")
        lr: float = Field(0.1, gt=0, description="of Adam, on the logits")
        temperature: float = Field(1.0, gt=0, description="that logits are divided by")
        sinkhorn: int = Field(20, ge=1, description="scalings of rows and columns a step")
        refine_sweeps: int = Field(
            3, ge=0, description="sweeps of weight matching at the end, with objective `l2` only"
        )
        reference_updates: int = Field(
            1, ge=0, description="times that the reference becomes the mean"
        )
        normalize: bool = Field(
            False, description="weigh each part by one over its mean square in `l2`"
        )
        batch_size: int = Field(128, ge=1, description="training rows a step, but with `l2`")
        seed: int = Field(0, ge=0, description="of the rows and the random points")
        renamed: ClassVar[Mapping[str, str]] = {
            "polish": "refine_sweeps",
            "rounds": "reference_updates",
        }

    def __init__(self, architecture: Architecture, task: Task | None = None, **options: Any):
        super().__init__(architecture, task, **options)
        symmetry, objective = architecture.symmetry, self.config.objective
        if nested := [g for g, group in symmetry.permutable.items() if group.parent]:
            raise UnsupportedError(
                f"sinkhorn_rebasin cannot align groups that are nested in others: {nested}; "
                "weight_matching can"
            )
        why = f"sinkhorn_rebasin with objective {objective!r}"
        self.data = None if objective == "l2" else OnData(architecture, task, why)

    def brought(self, weights: Tensor, reference: Tensor) -> GroupElement:
        pieces = [self._brought(w, reference) for w in weights.split(self._chunk())]
        groups = self.architecture.symmetry.permutable
        return GroupElement(
            {g: torch.cat([p.perm[g] for p in pieces]) for g in groups},
            {g: torch.cat([p.scale[g] for p in pieces]) for g in pieces[0].scale},
        )

    def _brought(self, weights: Tensor, reference: Tensor) -> GroupElement:
        symmetry, config = self.architecture.symmetry, self.config
        soft = self._learn(weights, self._objective(weights, reference))
        element = GroupElement({g: assign(p) for g, p in soft.items()})
        if config.objective != "l2" or not config.refine_sweeps:
            return element
        return refine(symmetry, weights, reference, element, config.refine_sweeps, config.normalize)

    def _learn(self, weights: Tensor, objective: Callable[[Soft], Tensor]) -> Soft:
        """The soft permutations at the end, ``{group: [B, n, n]}``."""
        sizes = {g: group.size for g, group in self.architecture.symmetry.permutable.items()}
        logits = {g: weights.new_zeros(len(weights), n, n) for g, n in sizes.items()}
        optimizer = torch.optim.Adam([p.requires_grad_() for p in logits.values()], self.config.lr)
        with torch.enable_grad():
            for _ in range(self.config.iterations):
                optimizer.zero_grad()
                # Summed, so that each network gets the gradient of its own objective.
                objective(self._soft(logits)).sum().backward()
                optimizer.step()
        with torch.no_grad():
            return self._soft(logits)

    def _soft(self, logits: Soft) -> Soft:
        c = self.config
        return {g: soft_permutation(p, c.temperature, c.sinkhorn) for g, p in logits.items()}

    def _objective(self, weights: Tensor, reference: Tensor) -> Callable[[Soft], Tensor]:
        """Soft permutations ``-> [B]``."""
        graph = self.architecture.symmetry.graph
        own = graph.split(weights)
        if self.data is None:
            wanted = graph.split(reference)
            return lambda soft: self._distance(soft_act(graph, own, soft), wanted)
        data, steps = self.data, self._steps(weights)

        def loss(soft: Soft) -> Tensor:
            batch, along = next(steps)
            return data.loss(
                torch.lerp(reference, graph.merge(soft_act(graph, own, soft)), along), batch
            )

        return loss

    def _distance(self, moved: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        squares = {name: (moved[name] - block).square() for name, block in wanted.items()}
        if self.config.normalize:
            squares = {name: s * block_weight(wanted[name]) for name, s in squares.items()}
        return torch.stack([s.flatten(1).sum(1) for s in squares.values()]).sum(0)

    def _steps(self, weights: Tensor) -> Iterator[tuple[Split, float]]:
        """Training rows and the place on the way to the reference, the same for all networks."""
        assert self.data is not None
        generator = torch.Generator().manual_seed(self.config.seed)
        for batch in self.data.batches(self.config.batch_size, self.config.seed, weights):
            anywhere = self.config.objective == "random"
            yield batch, torch.rand((), generator=generator).item() if anywhere else 0.5

    def _chunk(self) -> int:
        symmetry = self.architecture.symmetry
        numbers = 10 * (sum(g.size**2 for g in symmetry.permutable.values()) + symmetry.layout.size)
        if self.data is not None:
            widest = max(g.size for g in symmetry.groups.values())
            numbers += 4 * self.config.batch_size * widest
        return int(max(1, BUDGET // (4 * numbers)))
