"""Parts and initial weights of linear layers, convolutions and BatchNorm.

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
AxisSpec = str | Axis


def image_shape(signature: Signature, name: str) -> tuple[int, int, int]:
    """Channels, height and width of one input.

    Args:
        name: of the architecture, for the error.

    Raises:
        UnsupportedError: inputs are not images.
    """
    if len(signature.inputs) != 3:
        raise UnsupportedError(
            f"{name} needs images (channels, height, width), got inputs of shape "
            f"{list(signature.inputs)}; set `flat: false` of an image task, or choose `mlp`"
        )
    channels, height, width = signature.inputs
    return channels, height, width


def linear_parts(
    layer: str,
    groups: Groups,
    writes: AxisSpec,
    reads: AxisSpec,
    *,
    kernel_axes: int = 0,
    bias: bool = True,
    view: tuple[int, ...] | None = None,
) -> list[Part]:
    """The weight and bias of a linear layer or convolution, whose outputs they scale.

    Args:
        writes, reads: the groups of the weight's output and input axis.
        kernel_axes: number of axes of a convolution's kernel.
        bias: whether the layer has one.
        view: shape of the weight's axes, if not its own.
    """
    write, read = scale_exponents(groups, writes, 1), scale_exponents(groups, reads, -1)
    axes, in_sphere = (writes, reads, *[None] * kernel_axes), bool(write)
    parts = [
        Part(
            f"{layer}.weight",
            axes,
            view=view,
            scale_exponent=write | read,
            in_unit_sphere=in_sphere,
        )
    ]
    return parts + (
        [Part(f"{layer}.bias", (writes,), scale_exponent=write, in_unit_sphere=in_sphere)]
        if bias
        else []
    )


def conv_bn_parts(
    conv: str, bn: str, groups: Groups, writes: AxisSpec, reads: AxisSpec
) -> list[Part]:
    """A convolution without bias, and the BatchNorm after it, which scales the units.

    The convolution's own scale cancels in BatchNorm only up to its eps, so it is no symmetry.

    Args:
        conv, bn: names of the layers.
        writes, reads: the groups of the convolution's output and input axis.
    """
    write = scale_exponents(groups, writes, 1)
    axes = (writes, reads, None, None)
    return [
        Part(f"{conv}.weight", axes, scale_exponent=scale_exponents(groups, reads, -1)),
        *(
            Part(f"{bn}.{p}", (writes,), scale_exponent=write, in_unit_sphere=True)
            for p in ("weight", "bias")
        ),
        *(Part(f"{bn}.running_{s}", (writes,), buffer=True) for s in ("mean", "var")),
    ]


def scale_exponents(groups: Groups, axis: AxisSpec, exponent: int) -> dict[str, int]:
    """``{group: exponent}`` of the permutable groups on an axis."""
    names = [axis] if isinstance(axis, str) else [group for group, _, _ in axis or ()]
    return {group: exponent for group in names if groups[group].permutable}


def sample_weights(
    module: nn.Module, n: int, generator: torch.Generator, he_normal: bool = False
) -> Tensor:
    """``[n, P]`` initial weights of linear layers, convolutions and BatchNorm, as torch has them.

    Args:
        he_normal: convolutions are Gaussian with variance 2 / (outputs times kernel size) instead.
            Source: He, Zhang, Ren, Sun 2015 (arXiv 1502.01852), eq. 14.
    """
    options: dict[str, Any] = {"generator": generator, "device": generator.device}
    blocks = []
    for layer, name, parameter in _parameters(module):
        shape = (n, parameter.numel())
        if isinstance(layer, _BatchNorm):
            blocks.append(torch.full(shape, float(name == "weight"), device=generator.device))
        elif he_normal and name == "weight" and isinstance(layer, nn.Conv2d):
            blocks.append(torch.randn(shape, **options) * sqrt(2 / parameter[:, 0].numel()))
        else:
            blocks.append((2 * torch.rand(shape, **options) - 1) * _bound(layer))
    return torch.cat(blocks, 1)


def uniform_bounds(module: nn.Module) -> Tensor:
    """``[P]``: bounds b of torch's initialiser, which is uniform in [-b, b]."""
    sizes = [(_bound(layer), parameter.numel()) for layer, _, parameter in _parameters(module)]
    return torch.cat([torch.full((size,), bound) for bound, size in sizes])


def _parameters(module: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Layer, name in the layer, and tensor of each parameter, in the order of the layout."""
    return [
        (layer, name, parameter)
        for layer in module.modules()
        for name, parameter in layer.named_parameters(recurse=False)
    ]


def _bound(layer: Any) -> float:
    return float(layer.weight[0].numel() ** -0.5)
