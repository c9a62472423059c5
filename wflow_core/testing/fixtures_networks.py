"""Small architectures for contract tests, one for each form that a symmetry can have.

All take the vectors of four of the small task to two outputs. ``width`` times as many units.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.symmetry import Group, Part, Symmetry
from wflow_core.weights import WeightLayout

INPUTS, OUTPUTS = 4, 2
HEADS, HEAD = 2, 3


class Width(Options):
    """Options of the small architectures."""

    width: int = Field(1, ge=1, description="factor of the number of hidden units")


class SmallNetwork(Architecture):
    """Two hidden layers of ReLU units, five and three."""

    Config = Width

    def build(self) -> nn.Module:
        n, m = 5 * self.config.width, 3 * self.config.width
        layers = [nn.Linear(INPUTS, n), nn.ReLU(), nn.Linear(n, m), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(m, OUTPUTS))

    def define_symmetry(self) -> Symmetry:
        groups = {
            "input": Group(INPUTS, "fixed"),
            "h1": Group(5 * self.config.width, scaling="positive"),
            "h2": Group(3 * self.config.width, scaling="positive"),
            "output": Group(OUTPUTS, "fixed"),
        }
        parts = (
            Part("0.weight", ("h1", "input"), scale_exponent={"h1": 1}, in_unit_sphere=True),
            Part("0.bias", ("h1",), scale_exponent={"h1": 1}, in_unit_sphere=True),
            Part("2.weight", ("h2", "h1"), scale_exponent={"h2": 1, "h1": -1}, in_unit_sphere=True),
            Part("2.bias", ("h2",), scale_exponent={"h2": 1}, in_unit_sphere=True),
            Part("4.weight", ("output", "h2"), scale_exponent={"h2": -1}),
            Part("4.bias", ("output",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))


class DottedModule(nn.Module):
    """A hidden layer of tanh units within submodules."""

    def __init__(self, units: int):
        super().__init__()
        self.encoder = nn.ModuleDict({"layers": nn.Sequential(nn.Linear(INPUTS, units), nn.Tanh())})
        self.head = nn.Sequential(nn.Linear(units, units), nn.Tanh(), nn.Linear(units, OUTPUTS))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.encoder["layers"](x))
        return outputs


class DottedNetwork(Architecture):
    """Names that no key of a ``ModuleDict`` or ``ParameterDict`` can be: with dots, or taken."""

    Config = Width

    def build(self) -> nn.Module:
        return DottedModule(4 * self.config.width)

    def define_symmetry(self) -> Symmetry:
        first, second, units = "encoder.layers.0", "type", 4 * self.config.width
        groups = {
            "input.x": Group(INPUTS, "fixed"),
            first: Group(units, scaling="sign"),
            second: Group(units, scaling="sign"),
            "head.2": Group(OUTPUTS, "fixed"),
        }
        parts = (
            Part(f"{first}.weight", (first, "input.x"), scale_exponent={first: 1}),
            Part(f"{first}.bias", (first,), scale_exponent={first: 1}),
            Part("head.0.weight", (second, first), scale_exponent={second: 1, first: -1}),
            Part("head.0.bias", (second,), scale_exponent={second: 1}),
            Part("head.2.weight", ("head.2", second), scale_exponent={second: -1}),
            Part("head.2.bias", ("head.2",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))


class NestedModule(nn.Module):
    """Units in heads: each is gated, by a gate of its own and the mean of its head's."""

    def __init__(self, heads: int):
        super().__init__()
        self.heads = heads
        self.mix = nn.Linear(INPUTS, 2 * heads * HEAD)
        self.out = nn.Linear(heads * HEAD, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.mix(x).unflatten(-1, (2, self.heads, HEAD)).unbind(-3)
        hidden = value * torch.sigmoid(gate + gate.mean(-1, keepdim=True))
        outputs: Tensor = self.out(hidden.flatten(-2))
        return outputs


class NestedNetwork(Architecture):
    """Dimensions nested in heads, in two halves of one tensor."""

    Config = Width

    def build(self) -> nn.Module:
        return NestedModule(HEADS * self.config.width)

    def define_symmetry(self) -> Symmetry:
        heads = HEADS * self.config.width
        half, axes, within = heads * HEAD, ("heads", "dims"), {"dims": 1}
        gate, value = (0, half), (half, 2 * half)
        groups = {
            "input": Group(INPUTS, "fixed"),
            "heads": Group(heads),
            "dims": Group(HEAD, scaling="nonzero", parent="heads"),
            "output": Group(OUTPUTS, "fixed"),
        }
        view = (heads, HEAD)
        parts = (
            Part("mix.weight", (*axes, "input"), gate, (*view, INPUTS)),
            Part("mix.weight", (*axes, "input"), value, (*view, INPUTS), within),
            Part("mix.bias", axes, gate, view),
            Part("mix.bias", axes, value, view, within),
            Part("out.weight", ("output", *axes), None, (OUTPUTS, *view), {"dims": -1}),
            Part("out.bias", ("output",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))


class SegmentedModule(nn.Module):
    """Three units, zero-padded to five and added to another layer of five; with BatchNorm."""

    def __init__(self, width: int):
        super().__init__()
        self.pad = (width, width)
        self.fc1, self.bn1 = nn.Linear(INPUTS, 3 * width, bias=False), nn.BatchNorm1d(3 * width)
        self.fc2, self.bn2 = nn.Linear(3 * width, 5 * width, bias=False), nn.BatchNorm1d(5 * width)
        self.out = nn.Linear(5 * width, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        first = self.bn1(self.fc1(x)).relu()
        shortcut = nn.functional.pad(first, self.pad)
        outputs: Tensor = self.out((self.bn2(self.fc2(first)) + shortcut).relu())
        return outputs


class SegmentedNetwork(Architecture):
    """An axis shared by two groups, and buffers that move with their units."""

    Config = Width

    def build(self) -> nn.Module:
        return SegmentedModule(self.config.width)

    def define_symmetry(self) -> Symmetry:
        w = self.config.width
        stream = (("new", 0, w), ("old", 0, 3 * w), ("new", w, 2 * w))
        groups = {
            "input": Group(INPUTS, "fixed"),
            "old": Group(3 * w, scaling="positive"),
            "new": Group(2 * w, scaling="positive"),
            "output": Group(OUTPUTS, "fixed"),
        }
        both = {"old": 1, "new": 1}
        parts = [
            Part("fc1.weight", ("old", "input")),
            Part("fc2.weight", (stream, "old"), scale_exponent={"old": -1}),
            Part("out.weight", ("output", stream), scale_exponent={"old": -1, "new": -1}),
            Part("out.bias", ("output",)),
        ]
        for layer, axis, exponents in (("bn1", "old", {"old": 1}), ("bn2", stream, both)):
            for name in ("weight", "bias"):
                parts.append(Part(f"{layer}.{name}", (axis,), None, None, exponents, True))
            for name in ("running_mean", "running_var"):
                parts.append(Part(f"{layer}.{name}", (axis,), buffer=True))
        layouts = WeightLayout.of_parameters(self.template), WeightLayout.of_buffers(self.template)
        return Symmetry(groups, tuple(parts), *layouts)
