"""Weight graphs for torch_geometric, which is imported here only: importing takes seconds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data, HeteroData

from wflow_core.symmetry.graph import WeightGraph


def to_hetero(graph: WeightGraph, weights: Tensor) -> HeteroData:
    """One network ``[P]``, with a node set per group and an edge type per block.

    Edges run from the column (input) to the row (output) of the weight.
    """
    data = HeteroData()
    features: dict[str, list[Tensor]] = {group: [] for group in graph.nodes}
    for name, block in graph.split(weights.unsqueeze(0)).items():
        groups = graph.blocks[name].groups
        if len(groups) == 0:
            data[name] = block[0]
        elif len(groups) == 1:
            features[groups[0]].append(block[0])
        else:
            relation = (groups[1], name, groups[0])
            data[relation].edge_index = _bipartite(block.shape[1], block.shape[2]).to(block.device)
            data[relation].edge_attr = block[0].flatten(0, 1)
    for group, blocks in features.items():
        empty = weights.new_zeros(graph.nodes[group], 0)
        data[group].x = torch.cat([empty, *blocks], 1)
    return data


def to_data(graph: WeightGraph, weights: Tensor) -> Data:
    """One network ``[P]`` as a homogeneous graph, with features padded with zeros.

    ``node_type`` and ``edge_type`` hold the numbers of the node set and of the edge block.
    """
    hetero = to_hetero(graph, weights)
    groups = list(graph.nodes)
    offset = dict(
        zip(groups, [0, *torch.tensor(list(graph.nodes.values())).cumsum(0).tolist()], strict=False)
    )
    nodes = [hetero[group].x for group in groups]
    edges = hetero.edge_types
    shift = [torch.tensor([[offset[a]], [offset[b]]], device=weights.device) for a, _, b in edges]
    index = [hetero[e].edge_index + s for e, s in zip(edges, shift, strict=True)]
    attributes = [hetero[e].edge_attr for e in edges]
    return Data(
        x=_stack(nodes),
        edge_index=torch.cat(index, 1),
        edge_attr=_stack(attributes),
        node_type=_types(nodes),
        edge_type=_types(attributes),
    )


def _bipartite(rows: int, columns: int) -> Tensor:
    """``[2, rows * columns]``: every column to every row, in the order of the weight."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([column.flatten(), row.flatten()])


def _stack(features: list[Tensor]) -> Tensor:
    width = max(f.shape[1] for f in features)
    return torch.cat([pad(f, (0, width - f.shape[1])) for f in features])


def _types(features: list[Tensor]) -> Tensor:
    sizes = torch.tensor([len(f) for f in features])
    return torch.arange(len(features)).repeat_interleave(sizes)
