"""The multilayer perceptron, of any widths."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.groups import Group, Part
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_core.weights import WeightLayout

# What each activation lets through: a(s x) = s a(x) for positive s, for s = -1, or for neither.
ACTIVATIONS: dict[str, tuple[type[nn.Module], Literal["none", "sign", "positive"]]] = {
    "relu": (nn.ReLU, "positive"),
    "tanh": (nn.Tanh, "sign"),
    "gelu": (nn.GELU, "none"),
    "sigmoid": (nn.Sigmoid, "none"),
}


class Mlp(Architecture):
    """Linear layers ``fc1 .. fcL`` with one activation between them; inputs are flattened.

    Groups ``input``, ``h1 ..``, ``output``: hidden units are free, inputs and outputs anchored.

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

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        if signature.vocabulary is not None:
            raise UnsupportedError(
                "mlp wants values, the task gives token ids of a vocabulary of "
                f"{signature.vocabulary}; tasks of texts take `bert`"
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
        return module

    def symmetry(self) -> Symmetry:
        scaling = ACTIVATIONS[self.config.activation][1]
        depth = len(self.sizes) - 1
        names = ["input", *(f"h{i}" for i in range(1, depth)), "output"]
        groups = {
            name: Group(size, "free", scaling) if 0 < i < depth else Group(size, "anchored")
            for i, (name, size) in enumerate(zip(names, self.sizes, strict=True))
        }
        parts = []
        for number, (reads, writes) in enumerate(pairwise(names), start=1):
            write = {writes: 1} if groups[writes].free else {}
            read = {reads: -1} if groups[reads].free else {}
            free = bool(write)
            layer = f"fc{number}"
            parts += [
                Part(f"{layer}.weight", (writes, reads), power=write | read, norm=free),
                Part(f"{layer}.bias", (writes,), power=write, norm=free),
            ]
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.module))

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        bound = self._bound().to(generator.device)
        uniform = torch.rand(n, len(bound), generator=generator, device=generator.device)
        return bound * (2 * uniform - 1)

    def initial_log_prob(self, weights: Tensor) -> Tensor:
        bound = self._bound().to(weights)
        inside = (weights.abs() <= bound).all(-1)
        density = -(2 * bound).log().sum()
        return torch.where(inside, density, -torch.inf)

    def _bound(self) -> Tensor:
        """``[P]``: torch draws a linear layer uniformly from +-1/sqrt(fan_in), its bias, too."""
        counts = [fan_in * fan_out + fan_out for fan_in, fan_out in pairwise(self.sizes)]
        bounds = torch.tensor([fan_in**-0.5 for fan_in in self.sizes[:-1]])
        return bounds.repeat_interleave(torch.tensor(counts))
