"""How a part of the weights is cut into dense blocks along the groups of its axes, and back.

Shapes: B batch, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import torch
from torch import Tensor

from wflow_core.devices import DeviceCache
from wflow_core.errors import SymmetryError
from wflow_core.symmetry.parts import ResolvedView


class Cut:
    """The blocks of one part: one for each choice of a group on each of its axes that has groups.

    Attributes:
        choices: the groups of each block.

    Raises:
        SymmetryError: the part ranges over more than two axes with groups, or nested groups share
            one.
    """

    def __init__(self, part: ResolvedView):
        axes = _node_axes(part)
        if len(axes) > 2:
            raise SymmetryError(
                f"part {part.part.label} ranges over {len(axes)} groups; a graph has edges between "
                "two: declare it as several parts"
            )
        for of, groups in axes:
            if len(of) > 1 and len(groups) > 1:
                raise SymmetryError(
                    f"part {part.part.label}: groups nested in another share an axis, {groups}; "
                    "declare it as several parts"
                )
        features = [d for d in range(len(part.axes)) if not any(d in dims for dims, _ in axes)]
        dims = [*[d for of, _ in axes for d in of], *features]
        self.size, self.view = prod(part.shape), part.shape
        self.order = [0, *[d + 1 for d in dims]]
        self.permuted = [part.shape[d] for d in dims]
        self.back = [self.order.index(d) for d in range(len(self.order))]
        self.laid = [prod(part.shape[d] for d in of) for of, _ in axes]
        self.laid.append(self.size // prod(self.laid))
        self.choices = list(product(*[groups for _, groups in axes]))
        self.axes = [_Axis(part, of, groups) for of, groups in axes]
        # Most parts are one block, and as they lie: nothing is done for these but a view.
        self.moves = self.order != sorted(self.order)
        self.cuts = [(dim, axis) for dim, axis in enumerate(self.axes, start=1) if axis.cuts]

    def shapes(self) -> list[tuple[int, ...]]:
        """Of each block, without batch: nodes of each group, then features."""
        sizes = [axis.sizes for axis in self.axes]
        return [(*of, self.laid[-1]) for of in product(*sizes)]

    def split(self, flat: Tensor) -> list[Tensor]:
        """``[B, n]``, the part's weights, to its blocks; views, where units lie in order."""
        if self.moves:
            flat = flat.reshape(len(flat), *self.view).permute(self.order)
        pieces = [flat.reshape(len(flat), *self.laid)]
        for dim, axis in self.cuts:
            pieces = [part for piece in pieces for part in axis.split(piece, dim)]
        return pieces

    def merge(self, pieces: Sequence[Tensor]) -> Tensor:
        """The inverse of ``split``."""
        for dim, axis in reversed(self.cuts):
            each = len(axis.positions)
            groups = (pieces[i : i + each] for i in range(0, len(pieces), each))
            pieces = [axis.merge(of, dim) for of in groups]
        laid = pieces[0]
        if self.moves:
            laid = laid.reshape(len(laid), *self.permuted).permute(self.back)
        return laid.flatten(1)


class _Axis:
    """One axis of the blocks, of which each group has some nodes."""

    def __init__(self, part: ResolvedView, dims: tuple[int, ...], groups: Sequence[str]):
        nodes = prod(part.shape[d] for d in dims)
        whole = torch.arange(nodes)
        # A nested group has its parent's axis to itself.
        places = [part.positions(dims[0], g) if len(dims) == 1 else whole for g in groups]
        self.sizes, joined = [len(at) for at in places], torch.cat(places)
        self.in_order = torch.equal(joined, whole)
        self.cuts = len(groups) > 1 or not self.in_order
        self.positions = [DeviceCache(at) for at in places]
        self.inverse = DeviceCache(joined.argsort())

    def split(self, piece: Tensor, dim: int) -> Sequence[Tensor]:
        if self.in_order:
            return piece.split(self.sizes, dim)
        return [piece.index_select(dim, at.on(piece.device)) for at in self.positions]

    def merge(self, pieces: Sequence[Tensor], dim: int) -> Tensor:
        joined = torch.cat(list(pieces), dim)
        if self.in_order:
            return joined
        return joined.index_select(dim, self.inverse.on(joined.device))


def _node_axes(part: ResolvedView) -> list[tuple[tuple[int, ...], list[str]]]:
    """Axes that are node sets, ``(dims, groups)``: a nested group takes its parent's axis along."""
    nested = {part.dim_of(g): part.dim_of(parent) for g, parent in part.nested.items()}
    found: list[tuple[tuple[int, ...], list[str]]] = []
    for dim, axis in enumerate(part.axes):
        if axis is None or dim in nested.values():
            continue
        dims = (nested[dim], dim) if dim in nested else (dim,)
        found.append((dims, list(dict.fromkeys(g for g, _, _ in axis))))
    return found
