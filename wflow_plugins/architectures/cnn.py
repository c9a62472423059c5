"""Plain convolutional networks, of any widths."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Part
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.layers import (
    conv_bn_parts,
    image_shape,
    linear_parts,
    sample_weights,
    uniform_bounds,
)
from wflow_plugins.architectures.mlp import ACTIVATIONS

POOLS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


class Cnn(Architecture):
    """Blocks ``conv1 .. convL`` with ``bn``, activation and pooling, then linear ``fc1 ..``.

    Groups ``input``, ``c1 ..`` (channels), ``h1 ..`` (hidden units), ``output``. Tanh commutes with
    signs, max pooling does not.
    """

    class Config(Options):
        channels: tuple[Annotated[int, Field(ge=1)], ...] = Field(
            (16, 32), min_length=1, description="channels of each block"
        )
        kernel: int = Field(3, ge=1, description="height and width of a convolution")
        stride: int = Field(1, ge=1, description="of every convolution")
        padding: int | None = Field(
            None, ge=0, description="zero padding of a convolution; by default half of `kernel`"
        )
        batch_norm: bool = Field(False, description="BatchNorm after each convolution")
        activation: Literal["relu", "tanh", "gelu", "sigmoid"] = Field(
            "relu", description="of all hidden units"
        )
        pooling: Literal["max", "average", "none"] = Field(
            "max", description="at the end of each block"
        )
        window: int = Field(2, ge=1, description="height and width of the pooling window")
        head: Literal["average", "flatten"] = Field(
            "average",
            description="inputs of the head: each channel's mean, or all of the last block",
        )
        hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
            (), description="width of each linear layer before the last"
        )

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        self._num_positions()  # raises where no position is left

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels from the image to the last block."""
        return (image_shape(self.signature, "cnn")[0], *self.config.channels)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths from the inputs of the head to the output."""
        inputs = self.channels[-1] * (self._num_positions() if self.config.head == "flatten" else 1)
        return (inputs, *self.config.hidden, self.signature.outputs)

    def build(self) -> nn.Module:
        c, module = self.config, nn.Sequential()
        activation = ACTIVATIONS[c.activation][0]
        for i, (reads, writes) in enumerate(pairwise(self.channels), start=1):
            options: dict[str, Any] = {"stride": c.stride, "padding": self._padding}
            conv = nn.Conv2d(reads, writes, c.kernel, bias=not c.batch_norm, **options)
            module.add_module(f"conv{i}", conv)
            if c.batch_norm:
                module.add_module(f"bn{i}", nn.BatchNorm2d(writes))
            module.add_module(f"act{i}", activation())
            if c.pooling != "none":
                module.add_module(f"pool{i}", POOLS[c.pooling](c.window))
        if c.head == "average":
            module.add_module("mean", nn.AdaptiveAvgPool2d(1))
        module.add_module("flatten", nn.Flatten())
        for i, (fan_in, fan_out) in enumerate(pairwise(self.widths), start=1):
            if i > 1:
                module.add_module(f"fc_act{i - 1}", activation())
            module.add_module(f"fc{i}", nn.Linear(fan_in, fan_out))
        return module

    def define_symmetry(self) -> Symmetry:
        scaling = ACTIVATIONS[self.config.activation][1]
        conv_scaling = "none" if scaling == "sign" and self.config.pooling == "max" else scaling
        convolutional = ["input", *(f"c{i + 1}" for i in range(len(self.config.channels)))]
        hidden = [f"h{i + 1}" for i in range(len(self.config.hidden))]
        groups = {
            "input": Group(self.channels[0], "fixed"),
            **{
                f"c{i}": Group(n, "permutable", conv_scaling)
                for i, n in enumerate(self.channels[1:], 1)
            },
            **{
                f"h{i}": Group(n, "permutable", scaling) for i, n in enumerate(self.widths[1:-1], 1)
            },
            "output": Group(self.signature.outputs, "fixed"),
        }
        parts: list[Part] = []
        for i, (reads, writes) in enumerate(pairwise(convolutional), start=1):
            if self.config.batch_norm:
                parts += conv_bn_parts(f"conv{i}", f"bn{i}", groups, writes, reads)
            else:
                parts += linear_parts(f"conv{i}", groups, writes, reads, kernel_axes=2)
        linear = [convolutional[-1], *hidden, "output"]
        for i, (reads, writes) in enumerate(pairwise(linear), start=1):
            positions = self._num_positions() if i == 1 and self.config.head == "flatten" else None
            # A flattened image: all positions of a channel, channel after channel.
            view = positions and (self.widths[1], self.channels[-1], positions)
            parts += linear_parts(
                f"fc{i}", groups, writes, reads, kernel_axes=bool(view), view=view or None
            )
        module = self.template
        layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
        return Symmetry(groups, tuple(parts), *layouts)

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        return sample_weights(self.template, n, generator)

    def initial_log_prob(self, weights: Tensor) -> Tensor:
        if self.config.batch_norm:  # whose initial weights are constant
            return super().initial_log_prob(weights)
        bound = uniform_bounds(self.template).to(weights)
        inside = (weights.abs() <= bound).all(-1)
        return torch.where(inside, -(2 * bound).log().sum(), -torch.inf)

    @property
    def _padding(self) -> int:
        padding = self.config.padding
        return self.config.kernel // 2 if padding is None else int(padding)

    def _num_positions(self) -> int:
        """Height times width of the last block's output."""
        c, sizes = self.config, image_shape(self.signature, "cnn")[1:]
        for block in range(1, len(c.channels) + 1):
            sizes = tuple((s + 2 * self._padding - c.kernel) // c.stride + 1 for s in sizes)
            if c.pooling != "none":
                sizes = tuple(s // c.window for s in sizes)
            if min(sizes) < 1:
                shape = list(self.signature.inputs)
                raise UnsupportedError(
                    f"cnn: the output of block {block} is empty for inputs {shape}; use fewer "
                    "blocks, a smaller kernel, stride or window, more padding, or `pooling: none`"
                )
        return sizes[0] * sizes[1]
