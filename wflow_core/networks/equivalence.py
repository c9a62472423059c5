"""Whether two sets of networks compute the same, tested in float64 on random inputs.

Shapes: N networks, B inputs, C outputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from wflow_core.errors import SymmetryError
from wflow_core.networks.batched import BatchedNetworks, without_weights
from wflow_core.symmetry.groups import GroupElement
from wflow_core.weights import WeightSet

NETWORKS, INPUTS = 8, 16
TOLERANCE = 1e-9
"""Of the largest output, in float64."""


class Canonicalizer(Protocol):
    """What moves networks by group elements, and preserves what they compute."""

    architecture: Any
    preserves: Literal["function", "decision"]

    def apply(self, networks: WeightSet, element: GroupElement) -> WeightSet: ...


def check_equivalence(
    canonicalizer: Canonicalizer, before: WeightSet, after: WeightSet, element: GroupElement
) -> None:
    """Check some networks of a weight set: the element in float64, the result to rounding.

    Raises:
        SymmetryError: a network gives other outputs, or other decisions.
    """
    device = before.weights.device
    index = torch.linspace(0, len(before) - 1, NETWORKS, device=device).long().unique()
    sample = in_float64(before[index])
    scale = {group: of.double() for group, of in element.scale.items()}
    exact = canonicalizer.apply(sample, GroupElement(element.perm, scale)[index])
    architecture, kept = canonicalizer.architecture, canonicalizer.preserves
    first, second = outputs(architecture, sample), outputs(architecture, exact)
    del sample  # of large networks every copy counts
    size = largest(exact.weights)
    rounding = largest(exact.weights.sub_(after.weights[index]))
    if not rounding <= 1e-5 * (1 + size):
        raise SymmetryError(
            f"{canonicalizer}: the weights differ from those of its group element by {rounding:.3g}"
        )
    if differ := difference(first, second, kept):
        raise SymmetryError(
            f"{canonicalizer} does not keep the {kept} of a network: {differ}; the architecture "
            "declares a symmetry that it does not have, or the canonicalizer is wrong"
        )


def outputs(architecture: Any, networks: WeightSet) -> Tensor:
    """``[N, B, C]`` on fixed random inputs, in float64."""
    generator, device = torch.Generator().manual_seed(0), networks.weights.device
    inputs = architecture.signature.draw(INPUTS, generator).to(device)
    if inputs.is_floating_point():
        inputs = inputs.double()
    run = BatchedNetworks(without_weights(architecture.template, torch.float64))
    with torch.no_grad():
        return run(networks.weights, inputs, networks.buffers)


def difference(f: Tensor, g: Tensor, kept: Literal["function", "decision"]) -> str:
    """What differs in outputs ``[N, B, C]``, in words; nothing where they agree."""
    bound = TOLERANCE * (1 + largest(f))
    if kept == "function":
        worst = largest(f - g)
        return "" if worst <= bound else f"outputs of size {largest(f):.3g} moved by {worst:.3g}"
    if f.shape[-1] < 2:
        return "with one output there is no decision to keep"
    first, second = f.topk(2, -1).values.unbind(-1)
    clear = first - second > bound  # a tie may fall either way
    other = clear & (f.argmax(-1) != g.argmax(-1))
    return f"{int(other.sum())} of {other.numel()} decisions changed" if other.any() else ""


def largest(values: Tensor) -> Tensor:
    """``[]``: the absolute value of the largest entry, without a copy of all."""
    return torch.linalg.vector_norm(values, torch.inf)


def in_float64(networks: WeightSet) -> WeightSet:
    """Weights and buffers doubled."""
    return replace(networks, weights=networks.weights.double(), buffers=networks.buffers.double())
