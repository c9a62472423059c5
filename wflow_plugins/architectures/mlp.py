"""The multilayer perceptron, of any widths."""

from __future__ import annotations

from itertools import pairwise
from math import prod
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
from wflow_plugins.architectures.initialisers import InitScheme, sample_weights, weight_scales

# The scalings s with a(s x) = s a(x): all positive s, s = -1, or none.
ACTIVATIONS: dict[str, tuple[type[nn.Module], Literal["none", "sign", "positive"]]] = {
    "relu": (nn.ReLU, "positive"),
    "tanh": (nn.Tanh, "sign"),
    "gelu": (nn.GELU, "none"),
    "sigmoid": (nn.Sigmoid, "none"),
}


class Mlp(Architecture):
    """Linear layers ``fc1 .. fcL`` with one activation between them; inputs are flattened.

    Groups ``input``, ``h1 ..``, ``output``: hidden units are permutable, inputs and outputs fixed.

    Raises:
        UnsupportedError: inputs are token ids.
    """

    class Config(Options):
        hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
            (16, 16), description="width of each hidden layer"
        )
        activation: Literal["relu", "tanh", "gelu", "sigmoid"] = Field(
            "relu", description="between the layers"
        )
        init: InitScheme = Field(
            "torch",
            description="initialisation of weights: torch's own, Kaiming He's (for ReLU), Xavier "
            "Glorot's, uniform in [-0.1, 0.1], or normal with a standard deviation of 0.02; biases "
            "are 0 except in torch's own",
        )

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        if signature.vocabulary is not None:
            raise UnsupportedError(
                "mlp needs real values, got token ids of a vocabulary of "
                f"{signature.vocabulary}; choose `bert` for tasks of texts"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from input to output."""
        return (prod(self.signature.inputs), *self.config.hidden, self.signature.outputs)

    def build(self) -> nn.Module:
        module = nn.Sequential()
        module.append(nn.Flatten())
        for number, (fan_in, fan_out) in enumerate(pairwise(self.sizes), start=1):
            if number > 1:
                module.add_module(f"act{number - 1}", ACTIVATIONS[self.config.activation][0]())
            module.add_module(f"fc{number}", nn.Linear(fan_in, fan_out))
        if self.config.init != "torch":
            weights = self.initialize(1, torch.default_generator)[0]
            module.load_state_dict(WeightLayout.of_parameters(module).state_dict(weights))
        return module

    def define_symmetry(self) -> Symmetry:
        scaling = ACTIVATIONS[self.config.activation][1]
        depth = len(self.sizes) - 1
        names = ["input", *(f"h{i}" for i in range(1, depth)), "output"]
        groups = {
            name: Group(size, "permutable", scaling) if 0 < i < depth else Group(size, "fixed")
            for i, (name, size) in enumerate(zip(names, self.sizes, strict=True))
        }
        parts = []
        for number, (reads, writes) in enumerate(pairwise(names), start=1):
            write = {writes: 1} if groups[writes].permutable else {}
            read = {reads: -1} if groups[reads].permutable else {}
            writes_units = bool(write)
            layer = f"fc{number}"
            parts += [
                Part(
                    f"{layer}.weight",
                    (writes, reads),
                    scale_exponent=write | read,
                    in_unit_sphere=writes_units,
                ),
                Part(f"{layer}.bias", (writes,), scale_exponent=write, in_unit_sphere=writes_units),
            ]
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.template))

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        return sample_weights(self.config.init, self.sizes, n, generator)

    def initial_log_prob(self, weights: Tensor) -> Tensor:
        if self.config.init != "torch":  # biases are constant
            return super().initial_log_prob(weights)
        bound = weight_scales("torch", self.sizes).to(weights)
        inside = (weights.abs() <= bound).all(-1)
        return torch.where(inside, -(2 * bound).log().sum(), -torch.inf)
