"""The architecture: the contract of its kind, and what its docstring says beyond that."""

from __future__ import annotations

import torch

from wflow_core import GroupElement, Signature
from wflow_core.testing import ArchitectureContract
from wflow_core.testing.fixtures import seeded
from wflow_example.wide_and_deep import WideAndDeep


class TestWideAndDeep(ArchitectureContract):
    """Its symmetry keeps the function, for random networks, units and signs."""

    component = WideAndDeep
    options = {"hidden": 5}


def test_no_symmetry_touches_the_wide_part() -> None:
    """Only what lies at hidden units is moved, and every unit of it."""
    symmetry = WideAndDeep(Signature((6,), 3), hidden=4).symmetry
    weights = torch.randn(2, symmetry.layout.size, generator=seeded())
    flipped = symmetry.act(weights, GroupElement(scale={"hidden": -torch.ones(2, 4)}))
    before, after = symmetry.layout.unflatten(weights), symmetry.layout.unflatten(flipped)
    for name in ("wide.weight", "out.bias"):
        assert torch.equal(after[name], before[name])
    for name in ("deep.weight", "deep.bias", "out.weight"):
        assert torch.equal(after[name], -before[name])
