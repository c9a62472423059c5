"""A linear map beside a hidden layer."""

from __future__ import annotations

from math import prod

from pydantic import Field
from torch import Tensor, nn

from wflow_core import Architecture, Group, Options, Part, Symmetry, WeightLayout


class WideAndDeepModule(nn.Module):
    """The plain torch module; it knows nothing of wflow."""

    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__()
        self.wide = nn.Linear(inputs, outputs, bias=False)
        self.deep = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.wide(x) + self.out(self.deep(x).tanh())


class WideAndDeep(Architecture):
    """``wide(x) + out(tanh(deep(x)))``: what is linear in the inputs needs no hidden unit.

    Hidden units may be exchanged; tanh is odd, so each may change its sign. The weights of ``wide``
    lie between inputs and classes, which have an identity: no symmetry touches them.

    Source: Cheng et al. 2016 (arXiv 1606.07792).
    """

    class Config(Options):
        hidden: int = Field(8, ge=1, description="number of tanh units")

    def build(self) -> nn.Module:
        inputs, outputs = prod(self.signature.inputs), self.signature.outputs
        return WideAndDeepModule(inputs, self.config.hidden, outputs)

    def define_symmetry(self) -> Symmetry:
        groups = {
            "input": Group(prod(self.signature.inputs), "fixed"),
            "hidden": Group(self.config.hidden, "permutable", "sign"),
            "class": Group(self.signature.outputs, "fixed"),
        }
        parts = (
            Part("wide.weight", ("class", "input")),
            Part("deep.weight", ("hidden", "input"), scale_exponent={"hidden": 1}),
            Part("deep.bias", ("hidden",), scale_exponent={"hidden": 1}),
            Part("out.weight", ("class", "hidden"), scale_exponent={"hidden": -1}),
            Part("out.bias", ("class",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))
