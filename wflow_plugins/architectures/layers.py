"""What convolutional architectures share: the parts of their layers, and fresh weights.

Shapes: n networks, P weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry.groups import Axis, Group, Part

Groups = Mapping[str, Group]
On = str | Axis


def image_shape(signature: Signature, name: str) -> tuple[int, int, int]:
    """Channels, height and width of one input.

    Raises:
        UnsupportedError: inputs are no images.
    """
    if len(signature.inputs) != 3:
        raise UnsupportedError(
            f"{name} wants images (channels, height, width), the task gives inputs "
            f"{list(signature.inputs)}; tasks of images have `flat: false`, and others take `mlp`"
        )
    channels, height, width = signature.inputs
    return channels, height, width


def weighted(
    layer: str,
    groups: Groups,
    writes: On,
    reads: On,
    *,
    taps: int = 0,
    bias: bool = True,
    view: tuple[int, ...] | None = None,
) -> list[Part]:
    """A linear layer, or a convolution with so many axes of taps: the weights carry the scale."""
    write, read = powers(groups, writes, 1), powers(groups, reads, -1)
    axes, norm = (writes, reads, *[None] * taps), bool(write)
    parts = [
        Part(f"{layer}.weight", axes, view=view, scale_exponent=write | read, in_unit_sphere=norm)
    ]
    return parts + (
        [Part(f"{layer}.bias", (writes,), scale_exponent=write, in_unit_sphere=norm)]
        if bias
        else []
    )


def normalized(layer: str, norm: str, groups: Groups, writes: On, reads: On) -> list[Part]:
    """A convolution without bias, then BatchNorm.

    BatchNorm writes the units. The convolution before it is free of their scale only up to its
    eps, which is no symmetry.
    """
    write = powers(groups, writes, 1)
    axes = (writes, reads, None, None)
    return [
        Part(f"{layer}.weight", axes, scale_exponent=powers(groups, reads, -1)),
        *(
            Part(f"{norm}.{p}", (writes,), scale_exponent=write, in_unit_sphere=True)
            for p in ("weight", "bias")
        ),
        *(Part(f"{norm}.running_{s}", (writes,), buffer=True) for s in ("mean", "var")),
    ]


def powers(groups: Groups, axis: On, power: int) -> dict[str, int]:
    """Exponent of the scale of each permutable group on an axis."""
    named = [axis] if isinstance(axis, str) else [group for group, _, _ in axis or ()]
    return {group: power for group in named if groups[group].permutable}


def draw(module: nn.Module, n: int, generator: torch.Generator, he: bool = False) -> Tensor:
    """``[n, P]`` fresh weights of linear layers, convolutions and BatchNorm, as torch draws them.

    Args:
        he: convolutions are Gaussian with variance 2 / (outputs times taps) instead. Source: He,
            Zhang, Ren, Sun 2015 (arXiv 1502.01852), eq. 14.
    """
    options: dict[str, Any] = {"generator": generator, "device": generator.device}
    pieces = []
    for layer, name, parameter in _parameters(module):
        shape = (n, parameter.numel())
        if isinstance(layer, _BatchNorm):
            pieces.append(torch.full(shape, float(name == "weight"), device=generator.device))
        elif he and name == "weight" and isinstance(layer, nn.Conv2d):
            pieces.append(torch.randn(shape, **options) * sqrt(2 / parameter[:, 0].numel()))
        else:
            pieces.append((2 * torch.rand(shape, **options) - 1) * _bound(layer))
    return torch.cat(pieces, 1)


def uniform_bounds(module: nn.Module) -> Tensor:
    """``[P]``: torch draws linear layers and convolutions uniformly from plus minus these."""
    sizes = [(_bound(layer), parameter.numel()) for layer, _, parameter in _parameters(module)]
    return torch.cat([torch.full((size,), bound) for bound, size in sizes])


def _parameters(module: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """The layer, the name in it and the tensor of each parameter, in the order of the layout."""
    return [
        (layer, name, parameter)
        for layer in module.modules()
        for name, parameter in layer.named_parameters(recurse=False)
    ]


def _bound(layer: Any) -> float:
    return float(layer.weight[0].numel() ** -0.5)
