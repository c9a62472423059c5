"""Dense blocks against torch_geometric's scatter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from wflow_core.interfaces.task import Signature
from wflow_core.space import Space
from wflow_core.symmetry.graph import WeightGraph
from wflow_core.testing.fixtures import seeded
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.velocities.pna import Pna
from wflow_plugins.velocities.pna_layer import Neighbourhood, mean_log_degree

WIDTH, BATCH = 6, 3


def graph(*hidden: int) -> WeightGraph:
    return Mlp(Signature((5,), 3), hidden=hidden).symmetry.graph


def edge_blocks(g: WeightGraph) -> list[tuple[str, str]]:
    return [b.groups for b in g.blocks.values() if len(b.groups) == 2]


def as_one_graph(
    g: WeightGraph, nodes: dict[str, Tensor], edges: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes, edge index and edges of the batch as one homogeneous graph, both ways."""
    total, place, found, index = sum(g.nodes.values()), 0, [], []
    start = {}
    for group, n in g.nodes.items():
        start[group], place = place, place + n
    for edge, (row, column) in zip(edges, edge_blocks(g), strict=True):
        b, i, j = torch.meshgrid(*map(torch.arange, edge.shape[:3]), indexing="ij")
        ends = torch.stack([start[column] + j, start[row] + i]).flatten(1) + total * b.flatten()
        index += [ends, ends.flip(0)]
        found += [edge.flatten(0, 2)] * 2
    x = torch.cat([nodes[group] for group in g.nodes], 1).flatten(0, 1)
    return x, torch.cat(index, 1), torch.cat(found)


def oracle(own: Neighbourhood, index: Tensor, nodes: int) -> nn.Module:
    """``PNAConv`` with the same weights."""
    from torch_geometric.nn import PNAConv

    degrees = torch.bincount(index[1], minlength=nodes).bincount()
    conv = PNAConv(
        WIDTH, WIDTH, ["mean", "min", "max", "std"], ["identity", "amplification", "attenuation"],
        degrees, edge_dim=WIDTH,
    ).double()  # fmt: skip
    message = own.to_row
    with torch.no_grad():
        conv.edge_encoder.weight.copy_(torch.eye(WIDTH))
        conv.edge_encoder.bias.zero_()
        pre, post = conv.pre_nns[0][0], conv.post_nns[0][0]
        maps = message.receiver.weight, message.sender.weight, message.edge.weight
        pre.weight.copy_(torch.cat(maps, 1))
        pre.bias.copy_(message.receiver.bias)
        post.weight.copy_(own.mix.weight)
        post.bias.copy_(own.mix.bias)
        conv.lin.weight.copy_(torch.eye(WIDTH))
        conv.lin.bias.zero_()
    return conv


@pytest.mark.parametrize("hidden", [(4,), (4, 7), (3, 2, 4)], ids=str)
def test_without_modulation_it_is_that_of_torch_geometric(hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    own, g = Neighbourhood(WIDTH).double(), graph(*hidden)
    own.to_column.load_state_dict(own.to_row.state_dict())  # PNAConv has one map for both ways
    for way in (own.to_row, own.to_column):
        nn.init.zeros_(way.scale.weight)
        nn.init.zeros_(way.scale.bias)
    draw = {"generator": seeded(), "dtype": torch.float64}
    nodes = {name: torch.randn(BATCH, n, WIDTH, **draw) for name, n in g.nodes.items()}
    ends = edge_blocks(g)
    edges = [torch.randn(BATCH, g.nodes[a], g.nodes[b], WIDTH, **draw) for a, b in ends]
    degree = torch.tensor(mean_log_degree(g), dtype=torch.float64)
    found = own(nodes, edges, ends, degree)
    x, index, flat = as_one_graph(g, nodes, edges)
    wanted = oracle(own, index, len(x))(x, index, flat).unflatten(0, (BATCH, -1))
    whole = torch.cat([found[group] for group in g.nodes], 1)
    torch.testing.assert_close(whole, wanted, atol=1e-6, rtol=1e-5)


def test_degrees_count_both_ends_of_an_edge() -> None:
    # 5 inputs hear 4 units, 4 units hear 5 + 3, 3 outputs hear 4.
    wanted = (5 * math.log(5) + 4 * math.log(9) + 3 * math.log(5)) / 12
    assert mean_log_degree(graph(4)) == pytest.approx(wanted)


def test_degrees_are_those_that_it_learned_from() -> None:
    symmetry = Mlp(Signature((5,), 3), hidden=(4,)).symmetry
    wide = Mlp(Signature((5,), 3), hidden=(40,)).symmetry
    of_small, of_wide = (
        Pna(Space(Euclidean(s.layout.size, s), s), width=4, layers=1) for s in (symmetry, wide)
    )
    assert of_small.degree < of_wide.degree
    of_wide.load_state_dict(of_small.state_dict())
    x, t = torch.randn(2, wide.layout.size, generator=seeded()), torch.rand(2)
    torch.testing.assert_close(of_small(x, t, wide), of_wide(x, t))
    assert of_wide.degree == of_small.degree
