"""Canonicalizers of attention heads: ``attention_gauge`` and ``transfusion``."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
import torch
from matching_support import copied
from torch import Tensor
from transformer_support import bert, outputs, random_weights, seeded, vit

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Group, GroupElement, Part, Symmetry
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.canonicalizers.attention_gauge import AttentionGauge, balance
from wflow_plugins.canonicalizers.linear_pairs import (
    factors,
    linear_pairs,
    svd_of_product,
    with_factors,
)
from wflow_plugins.canonicalizers.transfusion import Transfusion
from wflow_plugins.canonicalizers.weight_matching import WeightMatching
from wflow_plugins.matching.elements import inverse

SOME = {"vit": vit(), "no bias": vit(qkv_bias=False, depth=1), "bert": bert(layers=1)}
each = pytest.mark.parametrize("architecture", SOME.values(), ids=SOME.keys())
HEADS = [AttentionGauge, Transfusion]


def turned(architecture: Architecture, w: Tensor, seed: int) -> Tensor:
    """The same functions, with random invertible matrices in every head."""
    symmetry, g = architecture.symmetry, seeded(seed)
    pieces = symmetry.graph.split(w)
    for group in linear_pairs(symmetry, "test"):
        writes, reads = factors(symmetry, pieces, group)
        d = writes.shape[-2]
        a = torch.eye(d) + 0.6 * torch.randn(*writes.shape[:2], d, d, generator=g, dtype=w.dtype)
        new = a @ writes, torch.linalg.inv(a).mT @ reads
        pieces |= with_factors(symmetry, pieces, group, *new)
    return symmetry.graph.merge(pieces)


def gauged(architecture: Architecture, w: Tensor) -> Tensor:
    gauge = AttentionGauge(architecture)
    return gauge.act(w, gauge.group_element(w))


def zoo_of(architecture: Architecture, w: Tensor) -> WeightSet:
    return WeightSet.from_module(
        architecture.template, w, initial=random_weights(architecture, len(w), 9)
    )


@each
def test_all_representatives_of_a_network_become_one(architecture: Architecture) -> None:
    w = random_weights(architecture, 4)
    other = turned(architecture, copied_inside(architecture, w), 1)
    assert (other - w).abs().max() > 0.5
    torch.testing.assert_close(outputs(architecture, other), outputs(architecture, w))
    torch.testing.assert_close(gauged(architecture, other), gauged(architecture, w))


def copied_inside(architecture: Architecture, w: Tensor) -> Tensor:
    """Dimensions inside heads permuted and scaled."""
    e = architecture.symmetry.random(len(w), seeded(4), w.dtype)
    inner = set(linear_pairs(architecture.symmetry, "test"))
    perm, scale = ({g: v for g, v in of.items() if g in inner} for of in (e.perm, e.scale))
    return architecture.symmetry.act(w, GroupElement(perm, scale))


@each
def test_the_function_stays_and_nothing_else_moves(architecture: Architecture) -> None:
    w, symmetry = random_weights(architecture, 3), architecture.symmetry
    moved = gauged(architecture, w)
    torch.testing.assert_close(
        outputs(architecture, moved), outputs(architecture, w), rtol=0, atol=1e-12
    )
    inner = set(linear_pairs(symmetry, "test"))
    before, after = symmetry.graph.split(w), symmetry.graph.split(moved)
    for name, block in symmetry.graph.blocks.items():
        assert torch.equal(before[name], after[name]) == (not inner & set(block.groups))


@each
def test_the_representative_is_balanced_and_the_smallest(architecture: Architecture) -> None:
    w, symmetry = random_weights(architecture, 3), architecture.symmetry
    moved = gauged(architecture, w)
    for group in linear_pairs(symmetry, "test"):
        writes, reads = factors(symmetry, symmetry.graph.split(moved), group)
        gram = writes @ writes.mT
        torch.testing.assert_close(gram, reads @ reads.mT)
        size = gram.diagonal(dim1=-2, dim2=-1)
        torch.testing.assert_close(gram, size.diag_embed(), rtol=0, atol=1e-12)
        assert (size.diff(dim=-1) <= 0).all()
        assert (writes.amax(-1) >= -writes.amin(-1)).all()
    for seed in range(5):
        assert (moved.norm(dim=1) < turned(architecture, moved, seed).norm(dim=1)).all()


@each
def test_units_outside_of_heads_may_come_in_any_order(architecture: Architecture) -> None:
    w, symmetry = random_weights(architecture, 3), architecture.symmetry
    perm = symmetry.random(3, seeded(2)).perm
    inner = set(linear_pairs(symmetry, "test"))
    element = GroupElement({g: p for g, p in perm.items() if g not in inner})
    torch.testing.assert_close(
        gauged(architecture, symmetry.act(w, element)),
        symmetry.act(gauged(architecture, w), element),
    )


@pytest.mark.parametrize("columns", [(7, 9), (3, 4), (5, 2)])
def test_dimensions_that_a_product_does_not_need_become_zero(columns: tuple[int, int]) -> None:
    writes, reads = (torch.randn(2, 3, 5, c, generator=seeded(c), dtype=torch.float64)
                     for c in columns)  # fmt: skip
    writes[0, 0, 1:] = writes[0, 0, :1]  # one of rank 1
    writes[1, 2] = 0
    into, out = balance(writes, reads)
    torch.testing.assert_close(into.mT @ out, writes.mT @ reads, rtol=0, atol=1e-12)
    rank = torch.linalg.matrix_rank(writes.mT @ reads)
    assert (rank[0, 0], rank[1, 2]) == (1, 0)
    for side in (into, out):
        assert torch.equal((side != 0).any(-1).sum(-1), rank)


def test_the_product_is_decomposed_as_it_would_be_in_full() -> None:
    writes, reads = (torch.randn(2, 3, 4, c, generator=seeded(c)) for c in (6, 7))
    u, s, v = svd_of_product(writes, reads)
    torch.testing.assert_close(u @ s.diag_embed() @ v, writes.mT @ reads)
    torch.testing.assert_close(s, torch.linalg.svdvals(writes.mT @ reads)[..., :4])


def test_networks_in_float32_are_balanced_to_its_rounding() -> None:
    w = random_weights(SOME["vit"], 4)
    torch.testing.assert_close(
        gauged(SOME["vit"], w.float()), gauged(SOME["vit"], w.float().double()).float()
    )
    zoo = zoo_of(SOME["vit"], w.float())
    gauge = AttentionGauge(SOME["vit"])
    moved = gauge.transform(zoo)  # which proves itself
    assert moved.weights.dtype == torch.float32
    assert zoo.initial is not None
    torch.testing.assert_close(moved.initial, gauged(SOME["vit"], zoo.initial))


@each
def test_transfusion_brings_a_permuted_copy_back(architecture: Architecture) -> None:
    w, fusion = random_weights(architecture, 1), Transfusion(architecture)
    fusion.reference = w
    moved = copied(architecture.symmetry, w.expand(4, -1), seed=2)
    found = architecture.symmetry.act(moved, fusion.group_element(moved))
    torch.testing.assert_close(found, w.expand(4, -1), rtol=0, atol=1e-12)


@each
def test_transfusion_pairs_heads_whatever_is_inside_them(architecture: Architecture) -> None:
    w, symmetry = random_weights(architecture, 1), architecture.symmetry
    fusion = Transfusion(architecture)
    fusion.reference = w
    element = symmetry.random(6, seeded(3), w.dtype)
    moved = turned(architecture, symmetry.act(w.expand(6, -1), element), 7)
    found, back = fusion.group_element(moved), inverse(symmetry, element)
    for heads in fusion.pairs_of_heads:
        assert torch.equal(found.perm[heads], back.perm[heads])


def test_transfusion_goes_by_spectra_where_weights_say_otherwise() -> None:
    """The own heads are the wanted ones in another order, turned in the space of inputs."""
    architecture = vit(depth=1, heads=2, qkv_bias=False)
    w, symmetry = random_weights(architecture, 1), architecture.symmetry
    turn, _ = torch.linalg.qr(torch.randn(12, 12, generator=seeded(), dtype=w.dtype))
    tensors = symmetry.layout.unflatten(w.clone())
    swapped = tensors["blocks.0.attn.qkv.weight"].view(1, 3, 2, 6, 12).flip(2)
    tensors["blocks.0.attn.qkv.weight"] = (swapped @ turn).reshape(1, 36, 12)
    out = tensors["blocks.0.attn.proj.weight"].view(1, 12, 2, 6).flip(2).reshape(1, 12, 12)
    tensors["blocks.0.attn.proj.weight"] = turn @ out
    fusion = Transfusion(architecture)
    fusion.reference = w
    own = symmetry.layout.flatten(tensors)
    assert fusion.group_element(own).perm["blocks.0.heads"].tolist() == [[1, 0]]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_canonicalizers_compose_in_any_order(order: tuple[int, ...]) -> None:
    architecture = SOME["no bias"]
    w = random_weights(architecture, 5)
    kinds: list[Any] = [AttentionGauge, Transfusion, WeightMatching]
    zoo = zoo_of(architecture, w)
    for number in order:
        canonicalizer = kinds[number](architecture)
        canonicalizer.fit(zoo)
        zoo = canonicalizer.transform(zoo)
    torch.testing.assert_close(outputs(architecture, zoo.weights), outputs(architecture, w))


@each
def test_gauge_then_transfusion_finds_a_copy_of_any_kind(architecture: Architecture) -> None:
    """One network, its units in other orders and its heads turned at random, becomes one again."""
    symmetry, w = architecture.symmetry, random_weights(architecture, 1).expand(4, -1)
    copies = turned(architecture, symmetry.act(w, symmetry.random(4, seeded(5), w.dtype)), 6)
    zoo = zoo_of(architecture, gauged(architecture, copies))
    fusion = Transfusion(architecture, reference_updates=0)
    fusion.fit(zoo)
    found = fusion.transform(zoo).weights
    torch.testing.assert_close(found, found[:1].expand(4, -1))


@pytest.mark.parametrize("kind", HEADS)
def test_what_has_no_heads_is_refused(kind: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"no attention heads(.|\n)*h1: 16 permutable"):
        kind(Mlp(Signature((4,), 2)))


def test_gated_dimensions_are_no_linear_pair() -> None:
    """A gate sees the dimensions one by one, so that they may be scaled but not mixed."""
    tensors = [
        ("value", torch.zeros(6, 3)),
        ("gate", torch.zeros(6, 3)),
        ("out", torch.zeros(3, 6)),
    ]
    groups = {"s": Group(3), "heads": Group(2), "v": Group(3, scaling="nonzero", parent="heads")}
    parts = (
        Part("value", ("heads", "v", "s"), view=(2, 3, 3), scale_exponent={"v": 1}),
        Part("gate", ("heads", "v", "s"), view=(2, 3, 3)),
        Part("out", ("s", "heads", "v"), view=(3, 2, 3), scale_exponent={"v": -1}),
    )
    symmetry = Symmetry(groups, parts, WeightLayout.of(tensors))
    with pytest.raises(UnsupportedError, match="attention_gauge: this architecture has no"):
        linear_pairs(symmetry, "attention_gauge")


def test_the_gauge_is_that_of_a_plain_product() -> None:
    """One head by hand: queries 2, keys 8, so that both become 4, the sign that of the largest."""
    writes, reads = torch.tensor([[[[-2.0, 0.0]]]]), torch.tensor([[[[8.0, 0.0]]]])
    into, out = balance(writes, reads)
    torch.testing.assert_close(into, torch.tensor([[[[4.0, 0.0]]]]))
    torch.testing.assert_close(out, torch.tensor([[[[-4.0, 0.0]]]]))
