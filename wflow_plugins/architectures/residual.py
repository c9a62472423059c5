"""Residual networks of basic blocks with BatchNorm, and their symmetry.

What a stage's blocks add to is its stream. Units of a stream are written by the BatchNorms of all
its blocks and go through ReLU only, so that they may be permuted and scaled as long as all
writers agree. With zero-padded shortcuts, the units of one stream go on in the next.
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
from wflow_plugins.architectures.layers import draw, normalized, weighted


@dataclass(frozen=True)
class Plan:
    """What a residual network is made of.

    Attributes:
        inputs, outputs: channels of the image, number of outputs.
        widths: of the stream of each stage; each after the first halves height and width.
        blocks: of each stage.
        padded: shortcuts between stages are zero-padded (option A), not projections (B).
        small: the stem keeps small images as they are, where otherwise it halves them twice.
        shortcut, head: names of a block's shortcut and of the last layer.
    """

    inputs: int
    outputs: int
    widths: tuple[int, ...]
    blocks: int
    padded: bool
    small: bool
    shortcut: str
    head: str


class Padded(nn.Module):
    """Every second place, with zeros as new channels on both sides."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.around = split_padding(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, *self.around))


class BasicBlock(nn.Module):
    """Two convolutions with BatchNorm, added to a shortcut."""

    def __init__(self, inputs: int, outputs: int, name: str, shortcut: nn.Module, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.name = name
        self.add_module(name, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.get_submodule(self.name)(x))


class ResidualNetwork(nn.Module):
    """A stem, stages ``layer1 ..`` of basic blocks, the mean over places, a linear layer."""

    def __init__(self, plan: Plan):
        super().__init__()
        first, last = plan.widths[0], plan.widths[-1]
        kernel, stride = (3, 1) if plan.small else (7, 2)
        self.conv1 = nn.Conv2d(plan.inputs, first, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.pool = nn.Identity() if plan.small else nn.MaxPool2d(3, 2, 1)
        self.stages = [f"layer{i + 1}" for i in range(len(plan.widths))]
        for number, stage in enumerate(self.stages):
            self.add_module(stage, nn.Sequential(*_stage(plan, number)))
        self.head = plan.head
        self.add_module(plan.head, nn.Linear(last, plan.outputs))
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
    """An architecture that is its plan, which a constructor sets."""

    plan: Plan

    def build(self) -> nn.Module:
        return ResidualNetwork(self.plan)

    def define_symmetry(self) -> Symmetry:
        return residual_symmetry(self.plan, self.template)

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        return draw(self.template, n, generator, he=True)


def residual_symmetry(plan: Plan, module: nn.Module) -> Symmetry:
    """Groups ``input``, ``stream1 ..``, ``layer1.0 ..`` (units within a block), ``output``."""
    groups, axes = _groups(plan), _axes(plan)
    parts = normalized("conv1", "bn1", groups, axes[0], "input")
    for block, stage, first in _blocks(plan):
        axis, reads = axes[stage], axes[stage - 1 if first else stage]
        parts += normalized(f"{block}.conv1", f"{block}.bn1", groups, block, reads)
        parts += normalized(f"{block}.conv2", f"{block}.bn2", groups, axis, block)
        if first and not plan.padded:
            shortcut = f"{block}.{plan.shortcut}"
            parts += normalized(f"{shortcut}.0", f"{shortcut}.1", groups, axis, reads)
    parts += weighted(plan.head, groups, "output", axes[-1])
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    return Symmetry(groups, tuple(parts), *layouts)


def split_padding(inputs: int, outputs: int) -> tuple[int, int]:
    """New channels before and after the old ones."""
    new = outputs - inputs
    return new // 2, new - new // 2


def _stage(plan: Plan, stage: int) -> Iterator[BasicBlock]:
    """The blocks of a stage; the first of a later one changes the stream."""
    outputs = plan.widths[stage]
    for number in range(plan.blocks):
        shortcut: nn.Module = nn.Identity()
        inputs, stride = outputs, 1
        if stage and not number:
            inputs, stride = plan.widths[stage - 1], 2
            shortcut = Padded(inputs, outputs) if plan.padded else _projection(inputs, outputs)
        yield BasicBlock(inputs, outputs, plan.shortcut, shortcut, stride)


def _projection(inputs: int, outputs: int) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 1, 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _groups(plan: Plan) -> dict[str, Group]:
    """A padded stage has only its new units in a group of their own."""
    before = [0, *plan.widths[:-1]] if plan.padded else [0] * len(plan.widths)
    own = [width - old for width, old in zip(plan.widths, before, strict=True)]
    return {
        "input": Group(plan.inputs, "fixed"),
        **{f"stream{i}": Group(n, scaling="positive") for i, n in enumerate(own, 1)},
        **{b: Group(plan.widths[i], scaling="positive") for b, i, _ in _blocks(plan)},
        "output": Group(plan.outputs, "fixed"),
    }


def _axes(plan: Plan) -> list[tuple[Segment, ...]]:
    """The channels of each stage, by segments of groups; padded ones nest."""
    axes: list[tuple[Segment, ...]] = [(("stream1", 0, plan.widths[0]),)]
    for stage, (old, width) in enumerate(pairwise(plan.widths), start=2):
        own = f"stream{stage}"
        if plan.padded:
            first, _ = split_padding(old, width)
            around = ((own, 0, first), *axes[-1], (own, first, width - old))
            axes.append(tuple(s for s in around if s[2] > s[1]))
        else:
            axes.append(((own, 0, width),))
    return axes


def _blocks(plan: Plan) -> Iterator[tuple[str, int, bool]]:
    """Of each block its name, its stage, and whether it changes the stream."""
    for stage in range(len(plan.widths)):
        for number in range(plan.blocks):
            yield f"layer{stage + 1}.{number}", stage, stage > 0 and number == 0
