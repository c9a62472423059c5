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
    """Products of tanh units, two halves of one layer within submodules; then another layer."""

    def __init__(self, units: int):
        super().__init__()
        layers = nn.Sequential(nn.Linear(INPUTS, 2 * units), nn.Tanh())
        self.encoder = nn.ModuleDict({"layers": layers})
        self.head = nn.Sequential(nn.Linear(units, units), nn.Tanh(), nn.Linear(units, OUTPUTS))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.encoder["layers"](x).chunk(2, -1)
        outputs: Tensor = self.head(first * second)
        return outputs


class DottedNetwork(Architecture):
    """Names that no key of a ``ModuleDict`` can be, with dots or taken; two parts of one tensor."""

    Config = Width

    def build(self) -> nn.Module:
        return DottedModule(4 * self.config.width)

    def define_symmetry(self) -> Symmetry:
        first, second, units = "encoder.layers.0", "type", 4 * self.config.width
        halves = (0, units), (units, 2 * units)
        groups = {
            "input.x": Group(INPUTS, "fixed"),
            first: Group(units),
            second: Group(units, scaling="sign"),
            "head.2": Group(OUTPUTS, "fixed"),
        }
        parts = (
            *(Part(f"{first}.weight", (first, "input.x"), half) for half in halves),
            *(Part(f"{first}.bias", (first,), half) for half in halves),
            Part("head.0.weight", (second, first), scale_exponent={second: 1}),
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
        self.gate = nn.Linear(INPUTS, heads * HEAD)
        self.value = nn.Linear(INPUTS, heads * HEAD)
        self.out = nn.Linear(heads * HEAD, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = (of(x).unflatten(-1, (self.heads, HEAD)) for of in (self.gate, self.value))
        hidden = value * torch.sigmoid(gate + gate.mean(-1, keepdim=True))
        outputs: Tensor = self.out(hidden.flatten(-2))
        return outputs


class NestedNetwork(Architecture):
    """Dimensions nested in heads."""

    Config = Width

    def build(self) -> nn.Module:
        return NestedModule(HEADS * self.config.width)

    def define_symmetry(self) -> Symmetry:
        heads, axes, within = HEADS * self.config.width, ("heads", "dims"), {"dims": 1}
        groups = {
            "input": Group(INPUTS, "fixed"),
            "heads": Group(heads),
            "dims": Group(HEAD, scaling="nonzero", parent="heads"),
            "output": Group(OUTPUTS, "fixed"),
        }
        view = (heads, HEAD)
        parts = (
            Part("gate.weight", (*axes, "input"), None, (*view, INPUTS)),
            Part("gate.bias", axes, None, view),
            Part("value.weight", (*axes, "input"), None, (*view, INPUTS), within),
            Part("value.bias", axes, None, view, within),
            Part("out.weight", ("output", *axes), None, (OUTPUTS, *view), {"dims": -1}),
            Part("out.bias", ("output",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))


class SegmentedModule(nn.Module):
    """Three units with BatchNorm, zero-padded to five and added to a layer of five."""

    def __init__(self, width: int):
        super().__init__()
        self.pad = (width, width)
        self.fc1, self.bn1 = nn.Linear(INPUTS, 3 * width, bias=False), nn.BatchNorm1d(3 * width)
        self.fc2 = nn.Linear(3 * width, 2 * width)
        self.fc3 = nn.Linear(2 * width, 5 * width, bias=False)
        self.out = nn.Linear(5 * width, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        first = self.bn1(self.fc1(x)).relu()
        shortcut = nn.functional.pad(first, self.pad)
        outputs: Tensor = self.out((self.fc3(self.fc2(first).relu()) + shortcut).relu())
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
            "between": Group(2 * w, scaling="positive"),
            "new": Group(2 * w, scaling="positive"),
            "output": Group(OUTPUTS, "fixed"),
        }
        old, between = {"old": 1}, {"between": 1}
        both, reads = {"old": 1, "new": 1, "between": -1}, {"old": -1, "new": -1}
        parts = (
            Part("fc1.weight", ("old", "input")),
            Part("bn1.weight", ("old",), scale_exponent=old, in_unit_sphere=True),
            Part("bn1.bias", ("old",), scale_exponent=old, in_unit_sphere=True),
            Part("bn1.running_mean", ("old",), buffer=True),
            Part("bn1.running_var", ("old",), buffer=True),
            Part("fc2.weight", ("between", "old"), None, None, between | {"old": -1}, True),
            Part("fc2.bias", ("between",), scale_exponent=between, in_unit_sphere=True),
            Part("fc3.weight", (stream, "between"), scale_exponent=both),
            Part("out.weight", ("output", stream), scale_exponent=reads),
            Part("out.bias", ("output",)),
        )
        layouts = WeightLayout.of_parameters(self.template), WeightLayout.of_buffers(self.template)
        return Symmetry(groups, parts, *layouts)
