from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from blocks import BLOCKS, Block
from hypothesis import given, strategies as st
from torch import nn

from wflow_core.errors import SymmetryError
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.symmetry import Group, GroupElement, Part, Symmetry
from wflow_core.testing.fixtures import small_network, small_zoo
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.matching.elements import compose, inverse

blocks = pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
seeds = given(seed=st.integers(0, 2**31))


def element(block: Block, seed: int, n: int = 3) -> GroupElement:
    return block.symmetry.random(n, torch.Generator().manual_seed(seed), torch.float64)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-9) -> bool:
    return bool(((a - b).abs() <= tolerance * (1 + b.abs())).all())


@blocks
@seeds
def test_acting_keeps_the_function(block: Block, seed: int) -> None:
    w, b, e = block.weights(3, seed), block.buffers(3, seed), element(block, seed)
    moved, moved_buffers = block.symmetry.act(w, e), block.symmetry.act_buffers(b, e)
    assert close(block.outputs(moved, moved_buffers), block.outputs(w, b))
    assert (moved - w).abs().max() > 0.1


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
def test_every_group_alone_keeps_the_function(block: Block) -> None:
    w, b, e = block.weights(3), block.buffers(3), element(block, 7)
    before = block.outputs(w, b)
    for group in block.symmetry.groups:
        for kind in ("perm", "scale"):
            one = {g: v for g, v in getattr(e, kind).items() if g == group}
            if one:
                alone = replace(GroupElement(), **{kind: one})
                moved = block.symmetry.act(w, alone), block.symmetry.act_buffers(b, alone)
                assert not torch.equal(moved[0], w), (group, kind)
                assert close(block.outputs(*moved), before), (group, kind)


@blocks
@seeds
def test_the_group_law(block: Block, seed: int) -> None:
    s, w = block.symmetry, block.weights(3, seed)
    first, then = element(block, seed), element(block, seed + 1)
    assert close(s.act(s.act(w, first), then), s.act(w, compose(s, first, then)))
    assert close(s.act(s.act(w, first), inverse(s, first)), w)
    assert torch.equal(s.act(w, s.identity(3)), w)


@blocks
def test_composing_with_partial_elements(block: Block) -> None:
    s, w, e = block.symmetry, block.weights(3), element(block, 3)
    perms, scales = GroupElement(e.perm), GroupElement({}, e.scale)
    assert close(s.act(w, compose(s, perms, scales)), s.act(s.act(w, perms), scales))
    assert close(s.act(w, compose(s, scales, perms)), s.act(s.act(w, scales), perms))
    assert close(s.act(s.act(w, scales), inverse(s, scales)), w)


def test_a_wrong_symmetry_changes_the_function() -> None:
    """The check above can fail: a fixed group that is declared permutable is detected."""
    block = BLOCKS[0]
    groups = dict(block.symmetry.groups) | {"class": Group(3)}
    parts = tuple(p.part for p in block.symmetry.parts)
    wrong = Symmetry(groups, parts, block.symmetry.layout)
    e = wrong.random(3, torch.Generator().manual_seed(0), torch.float64)
    w, b = block.weights(3), block.buffers(3)
    assert not close(block.outputs(wrong.act(w, e), b), block.outputs(w, b))


LAYOUT = WeightLayout.of_parameters(nn.Linear(2, 3))
GROUPS = {"in": Group(2, "fixed"), "out": Group(3)}
WEIGHT, BIAS = Part("weight", ("out", "in"), scale_exponent={"out": 1}), Part("bias", ("out",))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((WEIGHT,), "'bias' .* covered exactly once"),
        ((WEIGHT, BIAS, BIAS), "'bias' .* covered exactly once"),
        ((Part("weight", ("in", "out")), BIAS), "do not fill"),
        ((Part("weight", ("out",)), BIAS), "1 axes declared"),
        ((Part("weight", ("out", "inn")), BIAS), "unknown group"),
        ((Part("weights", ("out", "in")), BIAS), "no parameter of that name"),
        ((Part("weight", ((("out", 0, 2),), "in")), BIAS), "exactly once"),
        ((WEIGHT, Part("bias", ("out",), scale_exponent={"in": 1})), "none of its axes"),
        ((Part("weight", ("out", "in"), view=(4, 2)), BIAS), "do not view"),
        ((Part("weight", ("out", "in"), rows=(0, 9)), BIAS), "do not view"),
    ],
)
def test_contradictions_are_named(parts: tuple[Part, ...], message: str) -> None:
    with pytest.raises(SymmetryError, match=message):
        Symmetry(GROUPS, parts, LAYOUT)


def test_nested_group_needs_its_parent_on_the_part() -> None:
    groups = {"in": Group(2, "fixed"), "heads": Group(1), "d": Group(3, parent="heads")}
    with pytest.raises(SymmetryError, match="nested in 'heads'"):
        Symmetry(groups, (Part("weight", ("d", "in")), Part("bias", ("d",))), LAYOUT)


class Wrong(Canonicalizer):
    """Turns every weight round, which is no symmetry."""

    def fit(self, zoo: WeightSet) -> None:
        pass

    def group_element(self, weights: torch.Tensor) -> GroupElement:
        return GroupElement()

    def act(self, weights: torch.Tensor, element: GroupElement) -> torch.Tensor:
        return -weights


@pytest.mark.parametrize("preserves", ["function", "decision"])
def test_a_canonicalizer_that_changes_networks_is_found_out(preserves: str) -> None:
    wrong = Wrong(small_network())
    wrong.preserves = preserves  # type: ignore[assignment]
    with pytest.raises(SymmetryError, match=f"does not keep the {preserves} of a network"):
        wrong.transform(small_zoo())
