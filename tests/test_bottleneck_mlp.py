"""The network of DeepWeightFlow: its widths, and what they leave out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Signature
from wflow_core.space import Space
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.velocities.bottleneck_mlp import BottleneckMlp

FLAT = Space(Euclidean(40))


def velocities(velocity: BottleneckMlp, n: int) -> Tensor:
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return velocity(torch.randn(n, 40, generator=g), torch.rand(n, generator=g))


def lively(width: int) -> BottleneckMlp:
    torch.manual_seed(0)
    made = BottleneckMlp(FLAT, width=width)
    nn.init.normal_(made.write.weight)
    nn.init.normal_(made.write.bias)
    return made


def test_it_starts_at_rest_and_is_half_as_wide_in_the_middle() -> None:
    velocity = BottleneckMlp(FLAT, width=12, time_width=5)
    assert not velocities(velocity, 4).any()
    linear = [m for m in [*velocity.layers.modules(), velocity.write] if isinstance(m, nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in linear]
    assert sizes == [(45, 12), (12, 6), (6, 12), (12, 40)]


@pytest.mark.parametrize("width", [4, 12])
def test_velocities_span_no_more_directions_than_it_is_wide(width: int) -> None:
    found = velocities(lively(width), 200)
    assert torch.linalg.matrix_rank(found - found.mean(0)) == width


def test_nothing_is_added_to_the_network() -> None:
    """Else noise off its directions would leave the samples, which it never does there."""
    velocity = lively(4)
    assert not any(p.requires_grad for p in velocity.scales.parameters())
    off = torch.linalg.svd(velocity.write.weight.detach()).U[:, 4:]
    left = (velocities(velocity, 50) - velocity.write.bias.detach()) @ off
    assert left.abs().max() < 1e-4


def test_another_width_is_refused() -> None:
    symmetry = Mlp(Signature((5,), 3), hidden=[6]).symmetry
    with pytest.raises(UnsupportedError, match="was built for 40 weights and cannot take 57"):
        BottleneckMlp(FLAT)(torch.randn(1, 57), torch.rand(1), symmetry)
