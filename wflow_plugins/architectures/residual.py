"""Residual networks of basic blocks with BatchNorm, and their symmetry.

The blocks of a stage add to its stream. Units of a stream are written by the BatchNorms of all its
blocks and pass through ReLU only, so they may be permuted and scaled in all of these together. With
zero-padded shortcuts, the units of one stream are among the units of the next.
Source: He, Zhang, Ren, Sun 2016 (arXiv 1512.03385).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from wflow_core.interfaces.architecture import Architecture
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Segment
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.layers import conv_bn_parts, linear_parts, sample_weights


@dataclass(frozen=True)
class ResidualDesign:
    """The layers of a residual network.

    Attributes:
        inputs, outputs: channels of the image, number of outputs.
        widths: channels of each stage; each stage after the first halves height and width.
        blocks: number of blocks per stage.
        zero_padded: shortcuts between stages are zero-padded (option A), not projections (B).
        small_stem: the stem keeps height and width; otherwise it halves them twice.
        shortcut_name, head_name: names of a block's shortcut and of the last layer.
    """

    inputs: int
    outputs: int
    widths: tuple[int, ...]
    blocks: int
    zero_padded: bool
    small_stem: bool
    shortcut_name: str
    head_name: str


class ZeroPaddedShortcut(nn.Module):
    """Every second position, with zero channels before and after the old ones."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.padding = split_padding(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, *self.padding))


class BasicBlock(nn.Module):
    """Two convolutions with BatchNorm, added to a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, shortcut_name: str, shortcut: nn.Module, stride: int
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut_name = shortcut_name
        self.add_module(shortcut_name, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        shortcut: Tensor = self.get_submodule(self.shortcut_name)(x)
        return functional.relu(self.bn2(self.conv2(y)) + shortcut)


class ResidualNetwork(nn.Module):
    """A stem, stages ``layer1 ..`` of basic blocks, the mean over positions, a linear layer."""

    def __init__(self, design: ResidualDesign):
        super().__init__()
        first, last = design.widths[0], design.widths[-1]
        kernel, stride = (3, 1) if design.small_stem else (7, 2)
        self.conv1 = nn.Conv2d(design.inputs, first, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.pool = nn.Identity() if design.small_stem else nn.MaxPool2d(3, 2, 1)
        self.stages = [f"layer{i + 1}" for i in range(len(design.widths))]
        for number, stage in enumerate(self.stages):
            self.add_module(stage, nn.Sequential(*_stage(design, number)))
        self.head = design.head_name
        self.add_module(design.head_name, nn.Linear(last, design.outputs))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        outputs: Tensor = self.get_submodule(self.head)(x.mean((2, 3)))
        return outputs


class Residual(Architecture):
    """An architecture given by its design, which the constructor sets."""

    design: ResidualDesign

    def build(self) -> nn.Module:
        return ResidualNetwork(self.design)

    def define_symmetry(self) -> Symmetry:
        return residual_symmetry(self.design, self.template)

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        return sample_weights(self.template, n, generator, he_normal=True)


def residual_symmetry(design: ResidualDesign, module: nn.Module) -> Symmetry:
    """Groups ``input``, ``stream1 ..``, ``layer1.0 ..`` (units within a block), ``output``."""
    groups, axes = _groups(design), _axes(design)
    parts = conv_bn_parts("conv1", "bn1", groups, axes[0], "input")
    for block, stage, first in _blocks(design):
        axis, reads = axes[stage], axes[stage - 1 if first else stage]
        parts += conv_bn_parts(f"{block}.conv1", f"{block}.bn1", groups, block, reads)
        parts += conv_bn_parts(f"{block}.conv2", f"{block}.bn2", groups, axis, block)
        if first and not design.zero_padded:
            shortcut = f"{block}.{design.shortcut_name}"
            parts += conv_bn_parts(f"{shortcut}.0", f"{shortcut}.1", groups, axis, reads)
    parts += linear_parts(design.head_name, groups, "output", axes[-1])
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    return Symmetry(groups, tuple(parts), *layouts)


def split_padding(inputs: int, outputs: int) -> tuple[int, int]:
    """New channels before and after the old ones."""
    new = outputs - inputs
    return new // 2, new - new // 2


def _stage(design: ResidualDesign, stage: int) -> Iterator[BasicBlock]:
    """The blocks of a stage; the first block of a later stage changes the stream."""
    outputs = design.widths[stage]
    for number in range(design.blocks):
        shortcut: nn.Module = nn.Identity()
        inputs, stride = outputs, 1
        if stage and not number:
            inputs, stride = design.widths[stage - 1], 2
            make = ZeroPaddedShortcut if design.zero_padded else _projection
            shortcut = make(inputs, outputs)
        yield BasicBlock(inputs, outputs, design.shortcut_name, shortcut, stride)


def _projection(inputs: int, outputs: int) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 1, 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _groups(design: ResidualDesign) -> dict[str, Group]:
    """All groups; that of a zero-padded stage holds its new units only."""
    inherited = [0, *design.widths[:-1]] if design.zero_padded else [0] * len(design.widths)
    sizes = [width - old for width, old in zip(design.widths, inherited, strict=True)]
    return {
        "input": Group(design.inputs, "fixed"),
        **{f"stream{i}": Group(n, scaling="positive") for i, n in enumerate(sizes, 1)},
        **{b: Group(design.widths[i], scaling="positive") for b, i, _ in _blocks(design)},
        "output": Group(design.outputs, "fixed"),
    }


def _axes(design: ResidualDesign) -> list[tuple[Segment, ...]]:
    """The channels of each stage as segments of groups; zero-padded stages contain earlier ones."""
    axes: list[tuple[Segment, ...]] = [(("stream1", 0, design.widths[0]),)]
    for stage, (width_before, width) in enumerate(pairwise(design.widths), start=2):
        group = f"stream{stage}"
        if design.zero_padded:
            first, _ = split_padding(width_before, width)
            segments = ((group, 0, first), *axes[-1], (group, first, width - width_before))
            axes.append(tuple(s for s in segments if s[2] > s[1]))
        else:
            axes.append(((group, 0, width),))
    return axes


def _blocks(design: ResidualDesign) -> Iterator[tuple[str, int, bool]]:
    """Name and stage of each block, and whether it changes the stream."""
    for stage in range(len(design.widths)):
        for number in range(design.blocks):
            yield f"layer{stage + 1}.{number}", stage, stage > 0 and number == 0
