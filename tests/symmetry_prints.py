"""Symmetries compared up to names, and up to the order of units."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.parts import ResolvedView
from wflow_plugins.architectures.tracing.verify import read_part


def fingerprint(symmetry: Symmetry) -> list[Any]:
    """Shape and scaling of each permutable group, the weights of its units, and those it scales."""
    return sorted(_of_group(symmetry, name) for name in symmetry.permutable)


def _of_group(symmetry: Symmetry, name: str) -> tuple[Any, ...]:
    group, shape = symmetry.groups[name], symmetry.units(name)
    places: list[list[Any]] = [[] for _ in range(prod(shape))]
    powers: dict[Any, int] = {}
    for part, held in _on(symmetry, name):
        for unit, found in enumerate(_units(part, held, name, shape)):
            places[unit].append((part.part.buffer, found))
        if group.scaling != "none" and not part.part.buffer:
            power = part.part.scale_exponent.get(name, 0)
            powers |= dict.fromkeys(held.flatten().tolist(), power)
    signed = sorted(powers.items())
    turned = [(place, -power) for place, power in signed]
    return (shape, group.scaling, sorted(sorted(p) for p in places), min(signed, turned))


def _on(symmetry: Symmetry, name: str) -> list[tuple[ResolvedView, torch.Tensor]]:
    """Parts that a group lies on, and the flat places of their entries."""
    found = []
    for part in symmetry.parts:
        layout = symmetry.buffer_layout if part.part.buffer else symmetry.layout
        if any(name == g for axis in part.axes for g, _, _ in axis or ()):
            tensors = layout.unflatten(torch.arange(layout.size)[None])
            found.append((part, read_part(part, tensors[part.part.tensor])[0]))
    return found


def _units(
    part: ResolvedView, held: torch.Tensor, name: str, shape: tuple[int, ...]
) -> list[list[int]]:
    """The entries of each unit."""
    rows = []
    for dim, axis in enumerate(part.axes):
        if not any(name == g for g, _, _ in axis or ()):
            continue
        laid = held.movedim(dim, 0)[part.positions(dim, name)]
        if name in part.nested:
            parent = part.dim_of(part.nested[name])
            at = part.positions(parent, part.nested[name])
            laid = laid.movedim(parent + (parent < dim), 0)[at].flatten(0, 1)
        rows.append(laid.reshape(prod(shape), -1))
    return [sorted(entries) for entries in torch.cat(rows, 1).tolist()]
