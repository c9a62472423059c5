from __future__ import annotations

import pytest
import torch
from blocks import BLOCKS, Block
from hypothesis import given, strategies as st
from torch import nn

from wflow_core.errors import SymmetryError
from wflow_core.symmetry import Group, Part, Symmetry
from wflow_core.weights import WeightLayout
from wflow_plugins.matching.graph_action import act_on_blocks
from wflow_plugins.matching.pyg import to_data, to_hetero

blocks = pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)


@blocks
@given(seed=st.integers(0, 2**31))
def test_acting_on_weights_is_acting_on_nodes(block: Block, seed: int) -> None:
    symmetry, graph, w = block.symmetry, block.symmetry.graph, block.weights(2, seed)
    e = symmetry.random(2, torch.Generator().manual_seed(seed), torch.float64)
    by_weights = graph.split(symmetry.act(w, e))
    by_nodes = act_on_blocks(symmetry, graph.split(w), e)
    assert by_weights.keys() == by_nodes.keys()
    for name, piece in by_weights.items():
        torch.testing.assert_close(piece, by_nodes[name], rtol=1e-12, atol=1e-12)


@blocks
def test_split_and_merge_are_inverse(block: Block) -> None:
    graph, w = block.symmetry.graph, block.weights(3)
    assert torch.equal(graph.merge(graph.split(w)), w)
    places = graph.split(torch.arange(w.shape[1]).unsqueeze(0)).values()
    assert sorted(torch.cat([of.flatten() for of in places]).tolist()) == list(range(w.shape[1]))
    number = list(graph.blocks).index(name := next(iter(graph.blocks)))
    assert (graph.block_ids == number).sum() == graph.blocks[name].size


def test_blocks_of_the_padded_shortcut() -> None:
    graph = next(b for b in BLOCKS if b.name == "residual").symmetry.graph
    shapes = {b.groups: b.shape for b in graph.blocks.values() if b.name.startswith("conv2")}
    assert shapes == {("s2", "h"): (4, 8, 9), ("s1", "h"): (4, 8, 9)}


def test_blocks_of_fused_qkv() -> None:
    block = next(b for b in BLOCKS if b.name == "attention")
    graph, w = block.symmetry.graph, block.weights(1)
    assert graph.nodes["qk"] == 12
    edges = [b for b in graph.blocks.values() if b.groups == ("qk", "stream")]
    assert [b.shape for b in edges] == [(12, 12, 1)] * 2
    rows = block.symmetry.layout.unflatten(w)["qkv.weight"][0, 12:24]
    assert torch.equal(graph.split(w)["qkv.weight[12:24]"][0, :, :, 0], rows)


def test_three_groups_on_a_part_are_refused() -> None:
    module = nn.Conv1d(2, 3, 4, bias=False)
    groups = {"a": Group(3), "b": Group(2), "c": Group(4)}
    layout = WeightLayout.of_parameters(module)
    with pytest.raises(SymmetryError, match="ranges over 3 groups"):
        _ = Symmetry(groups, (Part("weight", ("a", "b", "c")),), layout).graph


def test_nested_groups_that_share_an_axis_are_refused() -> None:
    module = nn.Linear(3, 8, bias=False)
    groups = {"h": Group(2), "a": Group(1, parent="h"), "b": Group(3, parent="h")}
    axis = (("a", 0, 1), ("b", 0, 3))
    part = Part("weight", ("h", axis, None), view=(2, 4, 3))
    layout = WeightLayout.of_parameters(module)
    with pytest.raises(SymmetryError, match="nested in another share an axis"):
        _ = Symmetry(groups, (part,), layout).graph


@blocks
def test_torch_geometric_holds_every_weight_once(block: Block) -> None:
    graph, w = block.symmetry.graph, block.weights(1)[0]
    hetero = to_hetero(graph, w)
    found = [hetero[g].x.flatten() for g in graph.nodes]
    found += [hetero[e].edge_attr.flatten() for e in hetero.edge_types]
    assert torch.equal(torch.cat(found).sort().values, w.sort().values)
    data = to_data(graph, w)
    assert data.num_nodes == sum(graph.nodes.values())
    assert data.edge_index.max() < data.num_nodes
    assert data.edge_attr.abs().sum() + data.x.abs().sum() == pytest.approx(w.abs().sum().item())


def test_torch_geometric_edges_run_from_input_to_output() -> None:
    block = BLOCKS[0]
    w = block.weights(1)[0]
    edges = to_hetero(block.symmetry.graph, w)["input", "0.weight", "h1"]
    weight = block.symmetry.layout.unflatten(w)["0.weight"]
    source, target = edges.edge_index
    assert torch.equal(edges.edge_attr[:, 0], weight[target, source])
