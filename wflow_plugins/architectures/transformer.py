"""What transformers share: their initialiser, and the parts of the layers around attention.

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
"""Of initial weights. Source: Devlin et al. 2019 (arXiv 1810.04805)."""


class Transformer(Architecture):
    """Initialised as BERT is: Gaussian weights, biases at 0, normalisations that change nothing."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The module, of any weights."""

    def build(self) -> nn.Module:
        module = self.network()
        mean, std = moments(module)
        drawn = mean + std * torch.randn(len(mean))
        state = WeightLayout.of_parameters(module).state_dict(drawn)
        module.load_state_dict(state, strict=False)
        return module

    def initialize(self, n: int, generator: torch.Generator) -> Tensor:
        mean, std = (of.to(generator.device) for of in moments(self.template))
        noise = torch.randn(n, len(mean), generator=generator, device=generator.device)
        return noise.mul_(std).add_(mean)


def moments(module: nn.Module) -> tuple[Tensor, Tensor]:
    """``[P]`` each: mean and standard deviation of every weight before training."""
    layout, mean, std = WeightLayout.of_parameters(module), {}, {}
    for slot in layout.slots:
        owner, _, what = slot.name.rpartition(".")
        layer = module.get_submodule(owner)
        scale = isinstance(layer, nn.LayerNorm) and what == "weight"
        constant = scale or what == "bias"
        mean[slot.name] = torch.full(slot.shape, float(scale))
        std[slot.name] = torch.full(slot.shape, 0.0 if constant else STD)
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            std[slot.name][layer.padding_idx] = 0
    return layout.flatten(mean), layout.flatten(std)


def linear(
    layer: str, writes: str, reads: str, power: Mapping[str, int] | None = None
) -> list[Part]:
    """Weight and bias of a linear layer; ``power`` where its units may be scaled."""
    power = power or {}
    own = {group: p for group, p in power.items() if group == writes}
    weight = Part(f"{layer}.weight", (writes, reads), scale_exponent=power)
    return [weight, Part(f"{layer}.bias", (writes,), scale_exponent=own)]


def norm(layer: str) -> list[Part]:
    """Weight and bias of a normalisation of the stream."""
    return [Part(f"{layer}.{name}", (STREAM,)) for name in ("weight", "bias")]


def refuse_uneven(width: int, heads: int) -> None:
    """Heads that do not share the width evenly.

    Raises:
        UnsupportedError: naming both.
    """
    if width % heads:
        raise UnsupportedError(
            f"a width of {width} cannot be shared evenly by {heads} heads; choose a width that is "
            f"a multiple of {heads}"
        )
