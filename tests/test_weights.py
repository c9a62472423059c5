from __future__ import annotations

import pytest
import torch
from blocks import BLOCKS, Block
from hypothesis import given, strategies as st
from torch import nn

from wflow_core.errors import DataError
from wflow_core.weights import WeightLayout, WeightSet


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
@given(n=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_flatten_and_unflatten_are_inverse(block: Block, n: int, seed: int) -> None:
    layout = block.symmetry.layout
    w = block.weights(n, seed)
    assert torch.equal(layout.flatten(layout.unflatten(w)), w)
    tensors = {k: torch.randn(n, *v.shape) for k, v in block.module.named_parameters()}
    back = layout.unflatten(layout.flatten(tensors))
    assert list(back) == list(tensors)
    assert all(torch.equal(back[k], tensors[k]) for k in tensors)


def test_unflatten_gives_views_of_the_flat_vector() -> None:
    layout = WeightLayout.of_parameters(nn.Linear(2, 3))
    flat = torch.zeros(layout.size)
    layout.unflatten(flat)["bias"].fill_(1)
    assert flat.tolist() == [0] * 6 + [1] * 3


def test_tied_tensor_takes_room_once_and_loads_under_both_names() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(7, 3), nn.Linear(3, 7, bias=False)
            self.head.weight = self.embed.weight

    module = Tied()
    networks = WeightSet.from_module(module, torch.randn(2, 21))
    state = networks.state_dicts()[1]
    assert set(state) == {"embed.weight", "head.weight"}
    module.load_state_dict(state)
    assert torch.equal(module.head.weight.flatten(), networks.weights[1])


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
def test_state_dicts_round_trip_with_buffers(block: Block) -> None:
    networks = WeightSet.from_module(block.module, block.weights(3), block.buffers(3))
    states = networks.state_dicts()
    for state in states:
        block.module.load_state_dict(state)
    again = WeightSet.from_state_dicts(block.module, states)
    assert torch.equal(again.weights, networks.weights)


def test_integer_buffers_come_back_as_integers() -> None:
    module = nn.BatchNorm1d(3)
    state = WeightSet.from_module(module, torch.zeros(1, 6)).state_dicts()[0]
    assert state["num_batches_tracked"].dtype == torch.int64


def test_layout_survives_json() -> None:
    layout = WeightLayout.of_buffers(nn.BatchNorm1d(3))
    assert WeightLayout.from_json(layout.to_json()) == layout


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": torch.zeros(3, 2)}, "'bias' is missing"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}, "has shape"),
        ({"weight": torch.zeros(2), "bias": torch.zeros(3)}, "has shape"),
    ],
)
def test_wrong_tensors_are_named(tensors: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(DataError, match=message):
        WeightLayout.of_parameters(nn.Linear(2, 3)).flatten(tensors)


def test_indexing_keeps_networks_whole() -> None:
    networks = WeightSet.from_module(nn.Linear(2, 1), torch.arange(12.0).reshape(4, 3))
    chosen = networks[torch.tensor([2, 0])]
    assert chosen.run.tolist() == [2, 0]
    assert chosen.weights[:, 0].tolist() == [6, 0]
