"""Tracing finds the symmetry of modules, agrees with those by hand, and claims no more."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
import torch
from blocks import BLOCKS, Block
from symmetry_prints import fingerprint
from torch import Tensor, nn
from torch.func import functional_call
from traced_modules import CASES, Case, mlp

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Group, Part, Symmetry
from wflow_plugins.architectures.bert import Bert
from wflow_plugins.architectures.cnn import Cnn
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.architectures.resnet18 import Resnet18
from wflow_plugins.architectures.resnet20 import Resnet20
from wflow_plugins.architectures.traced import Traced
from wflow_plugins.architectures.tracing import TracedSymmetry, trace_groups, trace_symmetry
from wflow_plugins.architectures.tracing.verify import counterexamples, remove_failed
from wflow_plugins.architectures.vit import Vit

IMAGES, VECTORS = Signature((3, 8, 8), 5), Signature((6,), 3)
TEXTS = Signature((5,), 3, vocabulary=9)
BY_HAND = [
    Mlp(VECTORS),
    Mlp(VECTORS, activation="tanh"),
    Mlp(VECTORS, activation="gelu"),
    Cnn(IMAGES, channels=(4, 5)),
    Cnn(IMAGES, channels=(4, 5), batch_norm=True, head="flatten", hidden=(7,)),
    Cnn(IMAGES, channels=(4,), activation="tanh"),
    Cnn(IMAGES, channels=(4,), activation="tanh", pooling="average", head="flatten"),
    Resnet20(IMAGES, width=2, depth=8),
    Resnet20(IMAGES, width=2, depth=8, shortcut="projected"),
    Resnet18(IMAGES, width=2),
    Vit(IMAGES, width=8, heads=2, depth=2),
    Vit(IMAGES, width=8, heads=2, depth=2, pool="mean", qkv_bias=False),
    Bert(TEXTS, width=8, heads=2, intermediate=6, positions=7),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@cache
def traced_case(case: Case) -> tuple[nn.Module, TracedSymmetry]:
    module = case.module()
    return module, trace_symmetry(module, case.inputs())


def outputs(module: nn.Module, symmetry: Symmetry, x: Tensor, w: Tensor, b: Tensor) -> list[Tensor]:
    state = symmetry.layout.unflatten(w) | symmetry.buffer_layout.unflatten(b)
    made = functional_call(module, state, (x,))
    return list(made) if isinstance(made, tuple) else [made]


@cases
def test_known_groups_are_found(case: Case) -> None:
    groups = traced_case(case)[1].groups
    permutable = [
        (g.size, g.scaling, *([groups[g.parent].size] if g.parent else []))
        for g in groups.values()
        if g.permutable
    ]
    assert Counter(permutable) == Counter(case.permutable)


@cases
def test_no_label_is_false(case: Case) -> None:
    module, of = traced_case(case)
    symmetry, x = of.bind(module), case.inputs()
    x = x.double() if x.is_floating_point() else x
    g = torch.Generator().manual_seed(5)
    options = {"generator": g, "dtype": torch.float64}
    weights = torch.randn(20, symmetry.layout.size, **options)
    buffers = torch.rand(20, symmetry.buffer_layout.size, **options) + 0.5
    element = symmetry.random(20, g, torch.float64)
    moved, moved_buffers = symmetry.act(weights, element), symmetry.act_buffers(buffers, element)
    assert (moved - weights).abs().amax(1).min() > 0.01
    torch.set_default_dtype(torch.float64)
    try:
        for i in range(20):
            before = outputs(module, symmetry, x, weights[i], buffers[i])
            after = outputs(module, symmetry, x, moved[i], moved_buffers[i])
            for a, b in zip(after, before, strict=True):
                assert (a - b).abs().max() <= 1e-9 * (1 + b.abs().max())
    finally:
        torch.set_default_dtype(torch.float32)


@cases
def test_rules_claim_nothing_that_verification_takes_back(case: Case) -> None:
    notes = traced_case(case)[1].notes
    assert not [n for n in notes if n.operation == "verification"]
    assert any(case.noted in str(n) for n in notes) if case.noted else True


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
def test_agrees_with_blocks_by_hand(block: Block) -> None:
    symmetry = trace_symmetry(block.module, block.x).bind(block.module)
    assert fingerprint(symmetry) == fingerprint(block.symmetry)


@pytest.mark.parametrize("by_hand", BY_HAND, ids=repr)
def test_agrees_with_architectures_by_hand(by_hand: Architecture) -> None:
    x = by_hand.signature.draw(2, torch.Generator().manual_seed(0))
    symmetry = trace_symmetry(by_hand.template, x).bind(by_hand.template)
    assert fingerprint(symmetry) == fingerprint(by_hand.symmetry)


def test_fingerprints_tell_symmetries_apart() -> None:
    symmetry = BLOCKS[0].symmetry
    parts = tuple(p.part for p in symmetry.parts)
    groups = symmetry.groups | {"h1": Group(7, scaling="sign")}
    assert fingerprint(Symmetry(groups, parts, symmetry.layout)) != fingerprint(symmetry)
    groups = symmetry.groups | {"h1": Group(7, "fixed")}
    assert fingerprint(Symmetry(groups, parts, symmetry.layout)) != fingerprint(symmetry)


def test_groups_are_called_after_the_layers_that_write_them() -> None:
    groups, parts = trace_groups(mlp(nn.ReLU), torch.randn(2, 5))
    assert {n: g.size for n, g in groups.items() if g.permutable} == {"0": 7, "2": 6}
    assert [p.tensor for p in parts] == [f"{i}.{w}" for i in (0, 2, 4) for w in ("weight", "bias")]
    assert parts[2] == Part(
        "2.weight",
        ((("2", 0, 6),), (("0", 0, 7),)),
        scale_exponent={"2": 1, "0": -1},
        in_unit_sphere=True,
    )


def test_coverage_counts_entries_of_axes_on_permutable_groups() -> None:
    # weights (7, 5), (6, 7), (3, 6) and biases 7, 6, 3, of which 5 and 3 + 3 entries are fixed
    assert trace_symmetry(mlp(nn.ReLU), torch.randn(2, 5)).coverage == pytest.approx(1 - 11 / 50)


def test_a_false_claim_is_detected_and_fixed() -> None:
    block = BLOCKS[0]
    groups = block.symmetry.groups | {"class": Group(3), "h1": Group(7, scaling="nonzero")}
    parts = tuple(p.part for p in block.symmetry.parts)
    failed = counterexamples(block.module, groups, parts, (block.x,), trials=2)
    assert failed == {"class": "perm", "h1": "scale"}
    kept, bare = remove_failed(groups, parts, failed)
    assert (kept["class"].kind, kept["h1"]) == ("fixed", Group(7))
    assert not counterexamples(block.module, kept, bare, (block.x,), trials=2)


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.b(self.a(x).cumsum(1)).relu())


def test_an_operation_without_a_rule_fixes_its_units_with_a_note() -> None:
    of = trace_symmetry(Unknown(), torch.randn(2, 4))
    assert [(g.size, g.scaling) for g in of.groups.values() if g.permutable] == [(5, "positive")]
    assert [str(n) for n in of.notes] == ["aten.cumsum at a: there is no rule for this operation"]


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if float(x.sum()) > 0 else -self.a(x)


def test_a_module_that_cannot_be_captured_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"cannot capture Branching: .*; trace a module"):
        trace_symmetry(Branching(), torch.randn(2, 4))


def test_traced_is_an_architecture() -> None:
    made = Traced(Signature((5,), 3), module=mlp(nn.Tanh))
    assert list(made.symmetry.permutable) == ["0", "2"]
    assert made.traced_symmetry.coverage == pytest.approx(1 - 11 / 50)
    drawn = made.initialize(3, torch.Generator().manual_seed(0))
    assert drawn.shape == (3, made.symmetry.layout.size)


def test_traced_says_what_it_lacks() -> None:
    with pytest.raises(UnsupportedError, match=r"traced needs a module: set architecture.module"):
        Traced(Signature((5,), 3))
    held = nn.Linear(5, 3)
    held.extra = nn.Parameter(torch.zeros(2))
    own = nn.Module()
    own.register_parameter("w", nn.Parameter(torch.zeros(2)))
    with pytest.raises(UnsupportedError, match=r"\['1.w'\] belong to no layer"):
        Traced(Signature((5,), 3), module=nn.Sequential(held, own)).build()
    fresh = Traced(Signature((5,), 3), module=lambda: mlp(nn.ReLU))
    assert not torch.equal(fresh.build()[0].weight, fresh.build()[0].weight)
