"""The manifold: the contract of its kind, and what its docstring says beyond that."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wflow_core import Group, Part, Signature, Symmetry, WeightLayout
from wflow_core.errors import SpaceError
from wflow_core.testing import ManifoldContract
from wflow_core.testing.fixtures import seeded
from wflow_example.cylinder import Cylinder
from wflow_example.wide_and_deep import WideAndDeep

NETWORK = WideAndDeep(Signature((6,), 3), hidden=4)
SYMMETRY = NETWORK.symmetry


def networks(n: int) -> Tensor:
    """``[n, D]`` random networks, in float64."""
    options = {"generator": seeded(), "dtype": torch.float64}
    return torch.randn(n, SYMMETRY.layout.size, **options)


def lengths(x: Tensor) -> Tensor:
    """``[B, D] -> [B, K]``: the length of each part."""
    return torch.stack([t.flatten(1).norm(dim=1) for t in SYMMETRY.layout.unflatten(x).values()], 1)


class TestCylinder(ManifoldContract):
    """Exponential and logarithm undo each other, geodesics run at constant speed.

    Behind a codec, too, where coordinates have no symmetry, and so are one part.
    """

    component = Cylinder


def test_a_quarter_turn_that_doubles_the_length() -> None:
    """By hand: from (1, 0) to (0, 2) is a right angle and log 2; halfway lies the length 2^.5."""
    m = Cylinder(2)
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    torch.testing.assert_close(m.logmap(x, y), torch.tensor([[math.log(2), math.pi / 2]]))
    torch.testing.assert_close(m.dist(x, y), torch.tensor([math.hypot(math.log(2), math.pi / 2)]))
    torch.testing.assert_close(m.geodesic(x, y, torch.tensor([0.5])), torch.ones(1, 2))


def test_lengths_run_geometrically() -> None:
    """The midpoint has the geometric mean of both lengths, where a straight line is shorter."""
    x, y = networks(8).chunk(2)
    middle = Cylinder(x.shape[1], SYMMETRY).geodesic(x, y, torch.full((4,), 0.5))
    torch.testing.assert_close(lengths(middle), (lengths(x) * lengths(y)).sqrt())
    assert (lengths((x + y) / 2) < lengths(middle)).all()


def test_the_symmetry_of_the_weights_is_one_of_the_manifold() -> None:
    """Exchanging hidden units and flipping their signs changes no distance."""
    x, y = networks(8).chunk(2)
    element = SYMMETRY.random(4, seeded(1), torch.float64)
    m = Cylinder(x.shape[1], SYMMETRY)
    moved = m.dist(SYMMETRY.act(x, element), SYMMETRY.act(y, element))
    torch.testing.assert_close(moved, m.dist(x, y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", [1e-7, 1e-4, 1.0, 3.0, math.pi - 1e-3])
def test_angles_near_and_far(angle: float, dtype: torch.dtype) -> None:
    """The distance is the angle, to the precision of the numbers."""
    x = torch.tensor([[1.0, 0.0]], dtype=dtype)
    y = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=dtype)
    tolerance = 100 * torch.finfo(dtype).eps
    found = Cylinder(2).dist(x, y)
    torch.testing.assert_close(found, found.new_tensor([angle]), rtol=tolerance, atol=0)


def test_opposite_directions_change_the_length_alone() -> None:
    """As the docstring says; no NaN."""
    x = torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(Cylinder(2).logmap(x, -3 * x), math.log(3) * x)


def test_a_part_of_a_single_weight_is_refused() -> None:
    """Its sign could never change on the way."""
    parts = (Part("w", ("unit",)), Part("b", (None,)))
    layout = WeightLayout.of({"w": torch.zeros(3), "b": torch.zeros(1)}.items())
    symmetry = Symmetry({"unit": Group(3)}, parts, layout)
    with pytest.raises(SpaceError, match="single weight"):
        Cylinder(4, symmetry)
