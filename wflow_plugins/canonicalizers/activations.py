"""Activations of units in permutable groups: inputs of the layers that read them.

Shapes: N networks, B inputs, n units of a group, M observations of a unit (inputs times positions).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from wflow_core.errors import UnsupportedError
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.parts import ResolvedView

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Reader:
    """A layer whose input contains the activations of a group.

    Attributes:
        layer: its name in the module.
        channels: shape that the channel axis of the input is viewed in.
        axis: index of the group's axis in ``channels``.
        positions: ``[n]`` of its units on that axis.
        channels_last: whether channels are the last axis (linear) or the second (convolution).
    """

    layer: str
    channels: tuple[int, ...]
    axis: int
    positions: Tensor
    channels_last: bool

    def read(self, x: Tensor) -> Tensor:
        """The layer's input, of one network, ``-> [n, M]``."""
        x = x.movedim(-1 if self.channels_last else 1, 0)
        x = x.reshape(*self.channels, -1).movedim(self.axis, 0)
        return x.index_select(0, self.positions.to(x.device)).flatten(1)


def find_readers(module: nn.Module, symmetry: Symmetry) -> dict[str, Reader]:
    """``{group: reader}`` of all permutable groups.

    Raises:
        UnsupportedError: a group is nested, or is read by no linear layer or convolution.
    """
    nested = [g for g, group in symmetry.permutable.items() if group.parent]
    if nested:
        raise UnsupportedError(
            f"activation_matching does not support nested groups: {nested}; use weight_matching"
        )
    layers = dict(module.named_modules())
    by_group: dict[str, Reader] = {}
    for part in symmetry.parts:
        name, _, what = part.part.tensor.rpartition(".")
        if what == "weight" and (reads := _read_groups(layers.get(name), part)):
            for group in reads:
                if symmetry.groups[group].permutable:
                    by_group.setdefault(group, _reader(name, layers[name], part, group))
    if missing := sorted(symmetry.permutable.keys() - by_group.keys()):
        raise UnsupportedError(
            "activation_matching needs a linear layer or convolution that reads each group; there "
            f"is none for {missing}; use weight_matching"
        )
    return by_group


def record_activations(
    module: nn.Module, readers: dict[str, Reader], state: dict[str, Tensor], x: Tensor
) -> dict[str, Tensor]:
    """Activations ``{group: [N, n, M]}`` of N networks.

    Args:
        state: ``{name: [N, *shape]}``.
        x: ``[B, *inputs]``.
    """
    inputs_of: dict[str, Tensor] = {}

    def record(name: str, x: Tensor) -> None:
        inputs_of[name] = x

    def run_one(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        functional_call(module, tensors, (x,))
        return {group: reader.read(inputs_of[reader.layer]) for group, reader in readers.items()}

    layers = dict(module.named_modules())
    hooks = [
        layers[name].register_forward_pre_hook(lambda _, inputs, name=name: record(name, inputs[0]))
        for name in {reader.layer for reader in readers.values()}
    ]
    try:
        result: dict[str, Tensor] = vmap(run_one, randomness="different")(state)
        return result
    finally:
        for hook in hooks:
            hook.remove()


def standardize(x: Tensor) -> Tensor:
    """``[N, n, M]`` with mean 0 and norm 1 over M; constant units become 0."""
    x = x - x.mean(-1, keepdim=True)
    norm = x.norm(dim=-1, keepdim=True)
    return torch.where(norm > 0, x / norm, 0)


def _read_groups(layer: nn.Module | None, part: ResolvedView) -> list[str]:
    """Groups on the input axes of a weight, if it is that of an entire layer."""
    if part.part.rows is not None:
        return []
    if isinstance(layer, nn.Linear):
        axes = part.axes[1:] if part.shape[0] == layer.out_features else ()
    elif isinstance(layer, CONVOLUTIONS) and layer.groups == 1 and part.part.view is None:
        axes = part.axes[1:2]
    else:
        return []
    return [group for axis in axes for group, _, _ in axis or ()]


def _reader(name: str, layer: nn.Module, part: ResolvedView, group: str) -> Reader:
    linear = isinstance(layer, nn.Linear)
    channels = part.shape[1:] if linear else part.shape[1:2]
    axes = part.axes[1:]
    axis = next(d for d, a in enumerate(axes) if group in {g for g, _, _ in a or ()})
    return Reader(name, channels, axis, part.positions(axis + 1, group), linear)
