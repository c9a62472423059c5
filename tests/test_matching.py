from __future__ import annotations

from itertools import permutations

import pytest
import torch
from blocks import BLOCKS, Block
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wflow_core.errors import UnsupportedError
from wflow_core.matching import align, match
from wflow_core.symmetry import Element, Group, Part, Symmetry
from wflow_core.weights import WeightLayout

matchable = [b for b in BLOCKS if b.name != "attention"]


@pytest.mark.parametrize("block", matchable, ids=lambda b: b.name)
@given(seed=st.integers(0, 2**31))
def test_a_permuted_network_is_brought_back(block: Block, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    w = block.weights(4, seed)
    element = block.symmetry.random(4, g, torch.float64)
    signs = {
        name: scale
        for name, scale in element.scale.items()
        if block.symmetry.groups[name].scaling == "sign"
    }
    moved = block.symmetry.act(w, Element(element.perm, signs))
    found = align(block.symmetry, moved, w)
    torch.testing.assert_close(found, w, rtol=1e-9, atol=1e-9)


def test_one_hidden_layer_is_matched_as_well_as_by_trying_all() -> None:
    layout = WeightLayout.of_parameters(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)))
    groups = {"i": Group(3, "anchored"), "h": Group(5), "o": Group(2, "anchored")}
    parts = (
        Part("0.weight", ("h", "i")),
        Part("0.bias", ("h",)),
        Part("1.weight", ("o", "h")),
        Part("1.bias", ("o",)),
    )
    symmetry = Symmetry(groups, parts, layout)
    g = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 6, layout.size, generator=g)
    every = torch.tensor(list(permutations(range(5))))
    best = torch.stack(
        [symmetry.act(a, Element({"h": p.expand(6, -1)})).sub(b).norm(dim=1) for p in every]
    ).amin(0)
    torch.testing.assert_close((align(symmetry, a, b) - b).norm(dim=1), best)


@given(seed=st.integers(0, 2**31))
def test_the_result_does_not_depend_on_the_order_of_units(seed: int) -> None:
    block = BLOCKS[0]
    g = torch.Generator().manual_seed(seed)
    w, reference = block.weights(4, seed), block.weights(1, seed + 1)
    moved = block.symmetry.act(w, Element(block.symmetry.random(4, g).perm))
    aligned = align(block.symmetry, w, reference)
    torch.testing.assert_close(align(block.symmetry, moved, reference), aligned)
    assert ((aligned - reference).norm(dim=1) <= (w - reference).norm(dim=1) + 1e-9).all()


def test_chunks_do_not_change_the_alignment() -> None:
    block = BLOCKS[0]
    w, reference = block.weights(7, 1), block.weights(1, 2)
    whole = align(block.symmetry, w, reference)
    assert torch.equal(align(block.symmetry, w, reference, chunk=2), whole)


def test_nested_groups_are_refused_by_name() -> None:
    block = next(b for b in BLOCKS if b.name == "attention")
    with pytest.raises(UnsupportedError, match="qk"):
        match(block.symmetry, block.weights(1), block.weights(1))
