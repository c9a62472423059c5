"""The graph of a network's weights: groups are node sets, parts are dense blocks.

A part over one group is a block of node features ``[B, n, F]``, a part over two a bipartite edge
block ``[B, n_a, n_b, F]``, a part over none a block of global features ``[B, F]``. Blocks are
views of the flat vector where units lie in order: no scatter, no padding, no N x N. Units of a
nested group are laid out parent-major, ``h * n`` nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from wflow_core.devices import DeviceCache
from wflow_core.symmetry.cuts import Cut
from wflow_core.symmetry.groups import Group, unit_shape
from wflow_core.symmetry.parts import ResolvedView


@dataclass(frozen=True)
class Block:
    """One part, or the piece of it that belongs to one choice of groups.

    Attributes:
        name: unique; the part's label, and its groups where the part has several pieces.
        groups: none for global features, one for node features, two for edges (row, column).
        shape: without batch: nodes of each group, then features F.
        part: number of the part in the symmetry.
    """

    name: str
    groups: tuple[str, ...]
    shape: tuple[int, ...]
    part: int

    @property
    def size(self) -> int:
        return prod(self.shape)


class WeightGraph:
    """Flat weights as blocks, and back.

    Attributes:
        groups: of the symmetry, by name.
        nodes: node set -> number of nodes.
        blocks: every block, by name.
    """

    def __init__(self, groups: Mapping[str, Group], parts: Sequence[ResolvedView]):
        self.groups = groups
        self.nodes = {name: prod(unit_shape(groups, name)) for name in groups}
        self.blocks: dict[str, Block] = {}
        self._cuts: list[tuple[int, Cut, list[str]]] = []
        for number, part in enumerate(parts):
            if part.part.buffer:
                continue
            cut, names = Cut(part), []
            for on, shape in zip(cut.choices, cut.shapes(), strict=True):
                label = part.part.label
                name = label if len(cut.choices) == 1 else f"{label}({', '.join(on)})"
                self.blocks[name] = Block(name, on, shape, number)
                names.append(name)
            self._cuts.append((part.place.start, cut, names))
        self._cuts.sort(key=lambda of: of[0])  # as the weights lie
        self._sizes = [cut.size for _, cut, _ in self._cuts]

    def split(self, weights: Tensor) -> dict[str, Tensor]:
        """``[B, P] -> {block: [B, *shape]}``, views where units lie in order."""
        found: dict[str, Tensor] = {}
        pieces = weights.split(self._sizes, 1)
        for piece, (_, cut, names) in zip(pieces, self._cuts, strict=True):
            found.update(zip(names, cut.split(piece), strict=True))
        return {name: found[name] for name in self.blocks}

    def merge(self, pieces: Mapping[str, Tensor]) -> Tensor:
        """``{block: [B, *shape]} -> [B, P]``, the inverse of ``split``."""
        parts = [cut.merge([pieces[name] for name in names]) for _, cut, names in self._cuts]
        return torch.cat(parts, 1)

    @cached_property
    def block_ids(self) -> Tensor:
        """``[P]`` the number of the block of each weight, for statistics kept one a block."""
        blocks = enumerate(self.blocks.values())
        return self.merge({b.name: torch.tensor(i).expand(1, *b.shape) for i, b in blocks})[0]

    @cached_property
    def device_block_ids(self) -> DeviceCache:
        """``block_ids`` on any device, for what asks for it at every step."""
        return DeviceCache(self.block_ids)
