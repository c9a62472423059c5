from __future__ import annotations

from itertools import pairwise, permutations

import pytest
import torch
from blocks import BLOCKS, Block
from hypothesis import given, strategies as st
from matching_support import copied
from torch import nn

from wflow_core.symmetry import Group, GroupElement, Part, Symmetry
from wflow_core.weights import WeightLayout
from wflow_plugins.matching.matching import align, match, refine


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
@given(seed=st.integers(0, 2**31))
def test_a_permuted_network_is_brought_back(block: Block, normalize: bool, seed: int) -> None:
    w = block.weights(4, seed)
    found = align(block.symmetry, copied(block.symmetry, w, seed), w, normalize=normalize)
    torch.testing.assert_close(found, w, rtol=1e-9, atol=1e-9)


def test_one_hidden_layer_is_matched_as_well_as_by_trying_all() -> None:
    layout = WeightLayout.of_parameters(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)))
    groups = {"i": Group(3, "fixed"), "h": Group(5), "o": Group(2, "fixed")}
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
        [symmetry.act(a, GroupElement({"h": p.expand(6, -1)})).sub(b).norm(dim=1) for p in every]
    ).amin(0)
    torch.testing.assert_close((align(symmetry, a, b) - b).norm(dim=1), best)


@given(seed=st.integers(0, 2**31))
def test_the_result_does_not_depend_on_the_order_of_units(seed: int) -> None:
    block = BLOCKS[0]
    g = torch.Generator().manual_seed(seed)
    w, reference = block.weights(4, seed), block.weights(1, seed + 1)
    moved = block.symmetry.act(w, GroupElement(block.symmetry.random(4, g).perm))
    aligned = align(block.symmetry, w, reference)
    torch.testing.assert_close(align(block.symmetry, moved, reference), aligned)
    assert ((aligned - reference).norm(dim=1) <= (w - reference).norm(dim=1) + 1e-9).all()


def test_chunks_do_not_change_the_alignment() -> None:
    block = BLOCKS[0]
    w, reference = block.weights(7, 1), block.weights(1, 2)
    whole = align(block.symmetry, w, reference)
    assert torch.equal(align(block.symmetry, w, reference, chunk=2), whole)


def heads(h: int = 3, d: int = 4) -> Symmetry:
    """One layer that writes head dimensions from three inputs, with a bias a head."""
    slots = [("w", torch.zeros(h * d, 3)), ("b", torch.zeros(h))]
    groups = {"i": Group(3, "fixed"), "heads": Group(h), "in": Group(d, parent="heads")}
    parts = (Part("w", ("heads", "in", "i"), view=(h, d, 3)), Part("b", ("heads",)))
    return Symmetry(groups, parts, WeightLayout.of(slots))


def test_nested_groups_are_matched_as_well_as_by_trying_all() -> None:
    symmetry = heads(3, 3)
    g = torch.Generator().manual_seed(2)
    a, b = torch.randn(2, 1, symmetry.layout.size, generator=g)
    orders = torch.tensor(list(permutations(range(3))))
    inner = torch.cartesian_prod(*[torch.arange(6)] * 3)
    outer, inner = torch.arange(6).repeat_interleave(216), inner.repeat(6, 1)
    every = GroupElement({"heads": orders[outer], "in": orders[inner]})
    best = (symmetry.act(a.expand(1296, -1), every) - b).norm(dim=1).min()
    torch.testing.assert_close((align(symmetry, a, b) - b).norm(), best)


def test_units_nested_in_fixed_ones_stay_in_their_parent() -> None:
    permutable = heads()
    groups = permutable.groups | {"heads": Group(3, "fixed")}
    symmetry = Symmetry(groups, tuple(p.part for p in permutable.parts), permutable.layout)
    w = torch.randn(5, permutable.layout.size, generator=torch.Generator().manual_seed(3))
    element = symmetry.random(5, torch.Generator().manual_seed(4))
    found = match(symmetry, symmetry.act(w, element), w)
    assert "heads" not in found.perm
    assert torch.equal(symmetry.act(symmetry.act(w, element), found), w)


def test_normalized_a_loud_layer_does_not_drown_a_quiet_one() -> None:
    """The bias says one order, the weights, a thousand times as large, say nothing clear."""
    layout = WeightLayout.of([("w", torch.zeros(2, 1)), ("b", torch.zeros(2))])
    groups = {"i": Group(1, "fixed"), "h": Group(2)}
    symmetry = Symmetry(groups, (Part("w", ("h", "i")), Part("b", ("h",))), layout)
    reference = torch.tensor([[1000.0, 1010.0, 1.0, -1.0]])
    other = torch.tensor([[1010.0, 1000.0, 1.0, -1.0]])
    assert match(symmetry, other, reference).perm["h"].tolist() == [[1, 0]]
    assert match(symmetry, other, reference, normalize=True).perm["h"].tolist() == [[0, 1]]


def test_refining_never_goes_further_away() -> None:
    block = BLOCKS[0]
    w, reference = block.weights(6, 1), block.weights(6, 2)
    element = block.symmetry.random(6, torch.Generator().manual_seed(1))
    start = GroupElement(element.perm)
    far = [(block.symmetry.act(w, start) - reference).norm(dim=1)]
    for sweeps in (1, 2, 20):
        found = refine(block.symmetry, w, reference, start, sweeps)
        far.append((block.symmetry.act(w, found) - reference).norm(dim=1))
    assert all((b <= a + 1e-9).all() for a, b in pairwise(far))
    assert (far[-1] < far[0]).all()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
def test_pairs_are_matched_as_each_alone(block: Block) -> None:
    """Also where most of them have come to rest, and the others go on without them."""
    w, reference = block.weights(9, 3), block.weights(9, 4)
    w[2] = reference[2]
    whole = align(block.symmetry, w, reference)
    assert torch.equal(align(block.symmetry, w, reference, chunk=1), whole)


def test_where_nothing_is_free_nothing_moves() -> None:
    layout = WeightLayout.of_parameters(nn.Linear(2, 3))
    groups = {"i": Group(2, "fixed"), "o": Group(3, "fixed")}
    symmetry = Symmetry(groups, (Part("weight", ("o", "i")), Part("bias", ("o",))), layout)
    w = torch.randn(4, layout.size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(align(symmetry, w, w.flip(0)), w)


def test_refining_starts_from_some_groups_too() -> None:
    block = BLOCKS[0]
    w, reference = block.weights(4, 5), block.weights(1, 6)
    first = next(iter(block.symmetry.permutable))
    some = GroupElement({first: match(block.symmetry, w, reference).perm[first]})
    refined = block.symmetry.act(w, refine(block.symmetry, w, reference, some))
    start = block.symmetry.act(w, some)
    assert ((refined - reference).norm(dim=1) <= (start - reference).norm(dim=1) + 1e-9).all()
