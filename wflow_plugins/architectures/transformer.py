"""The initialiser of transformers, and the parts of their layers except attention.

Shapes: n networks, P weights.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.symmetry.groups import Part
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.attention import STREAM

STD = 0.02
"""Standard deviation of initial weights. Source: Devlin et al. 2019 (arXiv 1810.04805)."""


class Transformer(Architecture):
    """Initialised like BERT: Gaussian weights, biases 0, normalisations the identity."""

    @abstractmethod
    def build_module(self) -> nn.Module:
        """The module, with arbitrary weights."""

    def build(self) -> nn.Module:
        module = self.build_module()
        mean, std = initial_moments(module)
        weights = mean + std * torch.randn(len(mean))
        state = WeightLayout.of_parameters(module).state_dict(weights)
        module.load_state_dict(state, strict=False)
        return module

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        mean, std = (m.to(generator.device) for m in initial_moments(self.template))
        noise = torch.randn(n, len(mean), generator=generator, device=generator.device)
        return noise.mul_(std).add_(mean)


def initial_moments(module: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean ``[P]`` and standard deviation ``[P]`` of the initial weights."""
    layout, mean, std = WeightLayout.of_parameters(module), {}, {}
    for slot in layout.slots:
        path, _, name = slot.name.rpartition(".")
        layer = module.get_submodule(path)
        scale = isinstance(layer, nn.LayerNorm) and name == "weight"
        constant = scale or name == "bias"
        mean[slot.name] = torch.full(slot.shape, float(scale))
        std[slot.name] = torch.full(slot.shape, 0.0 if constant else STD)
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            std[slot.name][layer.padding_idx] = 0
    return layout.flatten(mean), layout.flatten(std)


def linear_parts(
    layer: str, writes: str, reads: str, exponents: Mapping[str, int] | None = None
) -> list[Part]:
    """Weight and bias of a linear layer, with the scale exponents of its groups."""
    exponents = exponents or {}
    bias_exponents = {group: e for group, e in exponents.items() if group == writes}
    weight = Part(f"{layer}.weight", (writes, reads), scale_exponent=exponents)
    return [weight, Part(f"{layer}.bias", (writes,), scale_exponent=bias_exponents)]


def norm_parts(layer: str) -> list[Part]:
    """Weight and bias of a LayerNorm of the stream."""
    return [Part(f"{layer}.{name}", (STREAM,)) for name in ("weight", "bias")]


def check_divisible(width: int, heads: int) -> None:
    """Check that the number of heads divides the width.

    Raises:
        UnsupportedError: it does not.
    """
    if width % heads:
        raise UnsupportedError(
            f"{heads} heads do not divide a width of {width}; choose a width that is a multiple of "
            f"{heads}"
        )
