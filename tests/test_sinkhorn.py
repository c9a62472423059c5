from __future__ import annotations

import pytest
import torch
from blocks import BLOCKS, Block
from hypothesis import given, strategies as st
from matching_support import OfBlock, TrainingOnly, copied
from torch import Tensor
from torch.nn import functional as F

from wflow_core.errors import UnsupportedError
from wflow_core.symmetry import GroupElement
from wflow_plugins.canonicalizers.sinkhorn import soft_act, soft_permutation
from wflow_plugins.canonicalizers.sinkhorn_rebasin import SinkhornRebasin
from wflow_plugins.matching.matching import align

flat = [b for b in BLOCKS if b.name != "attention"]


@given(
    seed=st.integers(0, 2**31),
    size=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_rows_and_columns_sum_to_one(seed: int, size: float, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(seed)
    soft = soft_permutation(size * torch.randn(3, 6, 6, generator=g, dtype=dtype), 1.0, 500)
    assert (soft >= 0).all()
    for dim in (-1, -2):
        torch.testing.assert_close(soft.sum(dim), torch.ones(3, 6, dtype=dtype), rtol=0, atol=1e-3)


def test_a_cold_temperature_gives_permutations_and_finite_gradients() -> None:
    perm = torch.tensor([2, 0, 3, 1])
    logits = (100 * F.one_hot(perm).float()).requires_grad_()
    soft = soft_permutation(logits, 0.01, 20)
    torch.testing.assert_close(soft, F.one_hot(perm).float())
    soft.square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@given(seed=st.integers(0, 2**31))
def test_the_gradient_is_that_through_all_iterations(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    logits, cost = torch.randn(2, 3, 5, 5, generator=g, dtype=torch.float64)
    logits.requires_grad_()
    (implicit,) = torch.autograd.grad((soft_permutation(logits, 0.7, 400) * cost).sum(), logits)
    unrolled = logits / 0.7
    for _ in range(400):
        unrolled = unrolled.log_softmax(-1).log_softmax(-2)
    (wanted,) = torch.autograd.grad((unrolled.exp() * cost).sum(), logits)
    # Half of what is left comes from the ridge of 1e-5.
    torch.testing.assert_close(implicit, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("block", flat, ids=lambda b: b.name)
def test_permutation_matrices_act_as_the_element_does(block: Block) -> None:
    w, graph = block.weights(3), block.symmetry.graph
    element = GroupElement(block.symmetry.random(3, torch.Generator().manual_seed(1)).perm)
    matrices = {g: F.one_hot(p).double() for g, p in element.perm.items()}
    moved = graph.merge(soft_act(graph, graph.split(w), matrices))
    torch.testing.assert_close(moved, block.symmetry.act(w, element))


def brought(name: str, w: Tensor, reference: Tensor, **options: object) -> Tensor:
    architecture = OfBlock(name)
    component = SinkhornRebasin(
        architecture, TrainingOnly(architecture), reference_updates=0, **options
    )
    component.reference = reference
    return architecture.symmetry.act(w, component.group_element(w))


@pytest.mark.parametrize("polish", [0, 3])
@pytest.mark.parametrize("name", ["mlp", "residual"])
def test_a_permuted_copy_is_brought_back(name: str, polish: int) -> None:
    symmetry = OfBlock(name).symmetry
    reference = OfBlock(name).block.weights(1, 3)
    moved = copied(symmetry, reference.expand(4, -1), seed=1)
    found = brought(name, moved, reference, refine_sweeps=polish, normalize=True)
    torch.testing.assert_close(found, reference.expand(4, -1), rtol=0, atol=1e-12)


def test_the_polish_turns_signs_too() -> None:
    block = OfBlock("tanh mlp").block
    reference = block.weights(1, 3)
    moved = copied(block.symmetry, reference.expand(6, -1), seed=1)
    rough, polished = (
        (brought("tanh mlp", moved, reference, refine_sweeps=n) - reference).norm(dim=1)
        for n in (0, 3)
    )
    assert (polished < rough).all()


@pytest.mark.parametrize("objective", ["l2", "midpoint", "random"])
def test_a_batch_is_what_its_networks_are_alone(objective: str) -> None:
    block = OfBlock("mlp").block
    w, reference = block.weights(5, 1), block.weights(1, 2)
    options = {"objective": objective, "iterations": 15}
    whole = brought("mlp", w, reference, **options)
    alone = [brought("mlp", row, reference, **options) for row in w.split(1)]
    assert torch.equal(whole, torch.cat(alone))


def test_it_is_about_as_good_as_weight_matching_and_ignores_the_order_of_units() -> None:
    block = OfBlock("mlp").block
    w, reference = block.weights(32, 1), block.weights(1, 2)
    found = brought("mlp", w, reference)
    far = [
        (x - reference).norm(dim=1).mean() for x in (w, found, align(block.symmetry, w, reference))
    ]
    assert far[1] < far[0] - 0.8 * (far[0] - far[2])
    other = brought("mlp", copied(block.symmetry, w, 4), reference)
    torch.testing.assert_close(other, found)


@pytest.mark.parametrize("name", ["mlp", "residual"])
@pytest.mark.parametrize("objective", ["midpoint", "random"])
def test_objectives_on_data_lower_the_loss_on_the_way(objective: str, name: str) -> None:
    """Only the training split is there; BatchNorm takes the statistics of the batch."""
    architecture = OfBlock(name)
    options = {"objective": objective, "iterations": 60, "batch_size": 40}
    component = SinkhornRebasin(architecture, TrainingOnly(architecture), **options)
    w, reference = architecture.block.weights(8, 1), architecture.block.weights(1, 2)
    component.reference = reference
    moved = architecture.symmetry.act(w, component.group_element(w))
    assert component.evaluator is not None
    batch = next(component.evaluator.batches(40, 0, w))
    losses = [component.evaluator.loss((x + reference) / 2, batch).mean() for x in (w, moved)]
    assert losses[1] < losses[0]


def test_nested_groups_and_missing_data_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"nested groups: \['qk', 'vo'\]"):
        SinkhornRebasin(OfBlock("attention"))
    with pytest.raises(UnsupportedError, match="objective 'midpoint' needs a task with data"):
        SinkhornRebasin(OfBlock("mlp"), None, objective="midpoint")
