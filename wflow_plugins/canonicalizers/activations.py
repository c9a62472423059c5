"""What the units of permutable groups compute: the inputs of the layers that read them.

Shapes: N networks, B inputs, n units of a group, M observations of a unit (inputs, times places).
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
    """A layer whose input holds the activations of a group.

    Attributes:
        layer: its name in the module.
        channels: shape that the input's channel axis is seen in.
        axis: where among ``channels`` the group is.
        at: ``[n]`` the places of its units on that axis.
        last: channels come last (a linear layer), not second (a convolution).
    """

    layer: str
    channels: tuple[int, ...]
    axis: int
    at: Tensor
    last: bool

    def read(self, x: Tensor) -> Tensor:
        """The layer's input, of one network ``-> [n, M]``."""
        x = x.movedim(-1 if self.last else 1, 0)
        x = x.reshape(*self.channels, -1).movedim(self.axis, 0)
        return x.index_select(0, self.at.to(x.device)).flatten(1)


def readers(module: nn.Module, symmetry: Symmetry) -> dict[str, Reader]:
    """A reader of each permutable group.

    Raises:
        UnsupportedError: a group is nested, or no linear layer or convolution reads it.
    """
    nested = [g for g, group in symmetry.permutable.items() if group.parent]
    if nested:
        raise UnsupportedError(
            f"activation_matching cannot align groups that are nested in others: {nested}; "
            "weight_matching can"
        )
    layers = dict(module.named_modules())
    found: dict[str, Reader] = {}
    for part in symmetry.parts:
        name, _, what = part.part.tensor.rpartition(".")
        if what == "weight" and (reads := _reads(layers.get(name), part)):
            for group in reads:
                if symmetry.groups[group].permutable:
                    found.setdefault(group, _reader(name, layers[name], part, group))
    if missing := sorted(symmetry.permutable.keys() - found.keys()):
        raise UnsupportedError(
            f"activation_matching finds no linear layer or convolution that reads the groups "
            f"{missing}, so it cannot see what they compute; weight_matching needs weights only"
        )
    return found


def activations(
    module: nn.Module, found: dict[str, Reader], state: dict[str, Tensor], x: Tensor
) -> dict[str, Tensor]:
    """``{name: [N, *shape]}`` and inputs ``[B, *inputs] -> {group: [N, n, M]}``."""
    seen: dict[str, Tensor] = {}

    def record(name: str, x: Tensor) -> None:
        seen[name] = x

    def one(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        functional_call(module, tensors, (x,))
        return {group: reader.read(seen[reader.layer]) for group, reader in found.items()}

    layers = dict(module.named_modules())
    hooks = [
        layers[name].register_forward_pre_hook(lambda _, inputs, name=name: record(name, inputs[0]))
        for name in {reader.layer for reader in found.values()}
    ]
    try:
        result: dict[str, Tensor] = vmap(one, randomness="different")(state)
        return result
    finally:
        for hook in hooks:
            hook.remove()


def standardized(x: Tensor) -> Tensor:
    """``[N, n, M]`` with mean 0 and norm 1; a unit that never changes becomes 0."""
    x = x - x.mean(-1, keepdim=True)
    norm = x.norm(dim=-1, keepdim=True)
    return torch.where(norm > 0, x / norm, 0)


def _reads(layer: nn.Module | None, part: ResolvedView) -> list[str]:
    """Groups on the input axes of a weight that takes whole inputs."""
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
    axis = next(d for d, on in enumerate(axes) if group in {g for g, _, _ in on or ()})
    return Reader(name, channels, axis, part.positions(axis + 1, group), linear)
