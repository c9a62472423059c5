"""Weight layouts: where each named tensor lies in a flat vector.

Shapes: P entries of the flat vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.errors import DataError


@dataclass(frozen=True)
class TensorSlot:
    """Where one tensor lies in the flat vector: ``flat[offset : offset + size]``."""

    name: str
    shape: tuple[int, ...]
    offset: int
    dtype: torch.dtype = torch.float32

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class WeightLayout:
    """The order of named tensors in a flat vector of length ``size``.

    ``aliases`` are further names of a tied tensor; they take no room of their own.
    """

    slots: tuple[TensorSlot, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, tensors: Iterable[tuple[str, Tensor]]) -> WeightLayout:
        """Layout of named tensors, in their order; a tensor met twice becomes an alias."""
        slots: list[TensorSlot] = []
        aliases: list[tuple[str, str]] = []
        seen: dict[int, str] = {}
        offset = 0
        for name, tensor in tensors:
            if id(tensor) in seen:
                aliases.append((name, seen[id(tensor)]))
                continue
            seen[id(tensor)] = name
            slots.append(TensorSlot(name, tuple(tensor.shape), offset, tensor.dtype))
            offset += tensor.numel()
        return cls(tuple(slots), tuple(aliases))

    @classmethod
    def of_parameters(cls, module: nn.Module) -> WeightLayout:
        return cls.of(module.named_parameters(remove_duplicate=False))

    @classmethod
    def of_buffers(cls, module: nn.Module) -> WeightLayout:
        """Layout of the persistent buffers, those that a state dict holds."""
        kept = module.state_dict(keep_vars=True).keys()
        buffers = module.named_buffers(remove_duplicate=False)
        return cls.of((name, buffer) for name, buffer in buffers if name in kept)

    @cached_property
    def size(self) -> int:
        return sum(slot.size for slot in self.slots)

    @cached_property
    def by_name(self) -> dict[str, TensorSlot]:
        return {slot.name: slot for slot in self.slots}

    def flatten(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """``{name: [..., *shape]} -> [..., P]``; leading axes are shared by all tensors.

        Raises:
            DataError: a tensor is missing, or has another shape than the layout's.
        """
        pieces = []
        for slot in self.slots:
            if slot.name not in tensors:
                raise DataError(f"tensor {slot.name!r} is missing; got {sorted(tensors)}")
            tensor = tensors[slot.name]
            lead = tensor.ndim - len(slot.shape)
            if lead < 0 or tuple(tensor.shape[lead:]) != slot.shape:
                raise DataError(
                    f"tensor {slot.name!r} has shape {tuple(tensor.shape)}, "
                    f"expected [..., {', '.join(map(str, slot.shape))}]"
                )
            pieces.append(tensor.reshape(*tensor.shape[:lead], slot.size))
        dtype = _common_float(pieces)
        return torch.cat([p.to(dtype) for p in pieces], -1) if pieces else torch.zeros(0)

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """``[..., P] -> {name: [..., *shape]}``, views of ``flat``."""
        if flat.shape[-1] != self.size:
            raise DataError(f"flat weights have length {flat.shape[-1]}, the layout {self.size}")
        lead = flat.shape[:-1]
        pieces = ((s, flat[..., s.offset : s.offset + s.size]) for s in self.slots)
        return {slot.name: piece.reshape((*lead, *slot.shape)) for slot, piece in pieces}

    def state_dict(self, flat: Tensor) -> dict[str, Tensor]:
        """One network, ``[P] ->`` entries of a state dict, in the module's own dtypes."""
        tensors = self.unflatten(flat)
        cast = {name: t.to(self.by_name[name].dtype).clone() for name, t in tensors.items()}
        return cast | {alias: cast[name] for alias, name in self.aliases}

    def to_json(self) -> dict[str, Any]:
        slots = [
            {"name": s.name, "shape": s.shape, "offset": s.offset, "dtype": str(s.dtype)[6:]}
            for s in self.slots
        ]
        return {"tensors": slots, "aliases": dict(self.aliases)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WeightLayout:
        slots = tuple(
            TensorSlot(s["name"], tuple(s["shape"]), s["offset"], getattr(torch, s["dtype"]))
            for s in data["tensors"]
        )
        return cls(slots, tuple(data["aliases"].items()))


def _common_float(tensors: Sequence[Tensor]) -> torch.dtype:
    """The widest floating type among the tensors; integers ride along in float32."""
    dtypes = [t.dtype if t.is_floating_point() else torch.float32 for t in tensors]
    common = torch.float32
    for dtype in dtypes:
        common = torch.promote_types(common, dtype)
    return common
