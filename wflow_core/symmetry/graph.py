"""The graph of a network's weights: groups are node sets, parts are dense blocks.

A part over one group is a block of node features ``[B, n, F]``, a part over two a bipartite edge
block ``[B, n_a, n_b, F]``, a part over none a block of global features ``[B, F]``. Blocks are
slices of the reordered flat vector: no scatter, no padding, no N x N. Units of a nested group
are laid out parent-major, ``h * n`` nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import torch
from torch import Tensor

from wflow_core.errors import SymmetryError
from wflow_core.symmetry.action import Action
from wflow_core.symmetry.groups import Element
from wflow_core.symmetry.parts import BoundPart


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
        nodes: node set -> number of nodes.
        blocks: every block, by name.
        order: ``[P]`` the flat place of each entry of the blocks laid end to end.
    """

    def __init__(self, symmetry: Action):
        self.symmetry = symmetry
        self.nodes = {name: prod(symmetry.units(name)) for name in symmetry.groups}
        place = torch.arange(symmetry.layout.size).unsqueeze(0)
        tensors = symmetry.layout.unflatten(place)
        self.blocks: dict[str, Block] = {}
        order = []
        for number, part in enumerate(symmetry.parts):
            if part.part.buffer:
                continue
            pieces = _pieces(part, part.read(tensors[part.part.tensor])[0])
            for groups, places in pieces:
                label = part.part.label
                name = label if len(pieces) == 1 else f"{label}({', '.join(groups)})"
                self.blocks[name] = Block(name, groups, tuple(places.shape), number)
                order.append(places.flatten())
        self.order = torch.cat(order)
        self.inverse = self.order.argsort()
        # The part of each weight, for statistics that are kept one a part.
        sizes = torch.tensor([block.size for block in self.blocks.values()])
        self.block_of = torch.arange(len(sizes)).repeat_interleave(sizes)[self.inverse]

    def split(self, weights: Tensor) -> dict[str, Tensor]:
        """``[B, P] -> {block: [B, *shape]}``."""
        laid = weights.index_select(1, self.order.to(weights.device))
        sizes = [block.size for block in self.blocks.values()]
        return {
            block.name: piece.reshape(len(weights), *block.shape)
            for block, piece in zip(self.blocks.values(), laid.split(sizes, 1), strict=True)
        }

    def merge(self, pieces: Mapping[str, Tensor]) -> Tensor:
        """``{block: [B, *shape]} -> [B, P]``, the inverse of ``split``."""
        laid = torch.cat([pieces[name].flatten(1) for name in self.blocks], 1)
        return laid.index_select(1, self.inverse.to(laid.device))

    def act(self, pieces: Mapping[str, Tensor], element: Element) -> dict[str, Tensor]:
        """The group's action on the nodes: edges and features follow their nodes."""
        return {
            name: self._move(self.blocks[name], piece, element) for name, piece in pieces.items()
        }

    def _move(self, block: Block, piece: Tensor, element: Element) -> Tensor:
        power = self.symmetry.parts[block.part].part.power
        for dim, group in enumerate(block.groups, start=1):
            shape = [-1 if i == dim else 1 for i in range(1, piece.ndim)]
            source = self.sources(group, element)
            if source is not None:
                piece = torch.take_along_dim(piece, source.reshape(len(source), *shape), dim)
            if group in element.scale and power.get(group):
                factor = element.scale[group].flatten(1) ** power[group]
                piece = piece * factor.reshape(len(factor), *shape)
        return piece

    def sources(self, group: str, element: Element) -> Tensor | None:
        """``[B, nodes]``: the old node that each new node comes from; None where none moves."""
        units = self.symmetry.units(group)
        own = element.perm.get(group)
        if len(units) == 1:
            return own
        outer = element.perm.get(self.symmetry.groups[group].per or "")
        if own is None and outer is None:
            return None
        known = own if own is not None else outer
        assert known is not None
        if outer is None:
            outer = torch.arange(units[0], device=known.device).expand(len(known), -1)
        if own is None:
            own = torch.arange(units[1], device=known.device).expand(len(known), *units)
        return (outer.unsqueeze(-1) * units[1] + own).flatten(1)


def _pieces(part: BoundPart, places: Tensor) -> list[tuple[tuple[str, ...], Tensor]]:
    """The blocks of a part: its flat places ``[*shape]`` cut along the groups of its axes."""
    axes = _node_axes(part)
    if len(axes) > 2:
        raise SymmetryError(
            f"part {part.part.label} ranges over {len(axes)} groups; a graph has edges between "
            "two: declare it as several parts"
        )
    features = [d for d in range(len(part.axes)) if not any(d in dims for dims, _ in axes)]
    laid = places.permute(*[d for dims, _ in axes for d in dims], *features)
    laid = laid.reshape(*[prod(part.shape[d] for d in dims) for dims, _ in axes], -1)
    found = []
    for choice in product(*[groups for _, groups in axes]):
        piece = laid
        for dim, ((dims, _), group) in enumerate(zip(axes, choice, strict=True)):
            if len(dims) == 1:
                piece = piece.index_select(dim, part.positions(dims[0], group))
        found.append((choice, piece))
    return found


def _node_axes(part: BoundPart) -> list[tuple[tuple[int, ...], list[str]]]:
    """Axes that are node sets, ``(dims, groups)``: a nested group takes its parent's axis along."""
    nested = {part.dim_of(g): part.dim_of(parent) for g, parent in part.nested.items()}
    found: list[tuple[tuple[int, ...], list[str]]] = []
    for dim, axis in enumerate(part.axes):
        if axis is None or dim in nested.values():
            continue
        dims = (nested[dim], dim) if dim in nested else (dim,)
        found.append((dims, list(dict.fromkeys(g for g, _, _ in axis))))
    return found
