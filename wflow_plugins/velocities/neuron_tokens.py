"""From flat weights to tokens and edges, and back.

Every block of the graph is one of three: it touches one permutable group (features of that group's
tokens), two (edges), or none (features of one global token). Shapes: B batch, T tokens (all free
units, then the global token), n units, F features, W width, E edge width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wflow_core.symmetry.graph import Block, WeightGraph
from wflow_plugins.velocities.standardized import zero_init_linear

Places = dict[str, tuple[slice, slice]]
"""Edge block -> where the tokens of its row group and of its column group lie."""

GLOBAL = "global token"
BILINEAR = 16


class TokenCodec(nn.Module):
    """Linear maps between blocks and tokens; their sizes depend on fixed groups only."""

    def __init__(self, graph: WeightGraph, width: int, edge_width: int):
        super().__init__()
        self.permutable = [name for name, group in graph.groups.items() if group.permutable]
        self.feature_owner = {name: self._owner(block) for name, block in graph.blocks.items()}
        self.edge_names = [name for name, owner in self.feature_owner.items() if owner is None]
        features = dict.fromkeys((*self.permutable, GLOBAL), 0)
        for name, owner in self.feature_owner.items():
            if owner is not None:
                features[owner] += self._features(graph.blocks[name])
        taps = {name: graph.blocks[name].shape[-1] for name in self.edge_names}
        # Keys of a ModuleDict may not hold dots, so modules are numbered.
        self.read = nn.ModuleList(nn.Linear(f, width) for f in features.values())
        self.write = nn.ModuleList(zero_init_linear(width, f) for f in features.values())
        self.norm = nn.LayerNorm(width)
        self.edge_read = nn.ModuleList(nn.Linear(f, edge_width) for f in taps.values())
        self.edge_write = nn.ModuleList(zero_init_linear(edge_width, f) for f in taps.values())
        self.rows = nn.ModuleList(nn.Linear(width, BILINEAR * f) for f in taps.values())
        self.columns = nn.ModuleList(zero_init_linear(width, BILINEAR * f) for f in taps.values())

    def encode(self, graph: WeightGraph, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``[B, P] ->`` tokens ``[B, T, W]`` and, an edge block each, ``[B, n_a, n_b, E]``."""
        pieces = graph.split(x)
        tokens = []
        for owner, read in zip((*self.permutable, GLOBAL), self.read, strict=True):
            tokens.append(read(self._gather(graph, pieces, owner)))
        edges = [
            read(pieces[name]) for name, read in zip(self.edge_names, self.edge_read, strict=True)
        ]
        return torch.cat(tokens, 1), edges

    def decode(self, graph: WeightGraph, tokens: Tensor, edges: list[Tensor]) -> Tensor:
        """The inverse shapes: tokens and edges ``-> [B, P]``."""
        tokens, places = self.norm(tokens), self.places(graph)
        pieces: dict[str, Tensor] = {}
        groups = tokens.split([*(graph.nodes[g] for g in self.permutable), 1], 1)
        for owner, group, write in zip((*self.permutable, GLOBAL), groups, self.write, strict=True):
            pieces |= self._scatter(graph, write(group), owner)
        for i, (name, edge) in enumerate(zip(self.edge_names, edges, strict=True)):
            row, column = places[name]
            left = self.rows[i](tokens[:, row]).unflatten(-1, (-1, BILINEAR))
            right = self.columns[i](tokens[:, column]).unflatten(-1, (-1, BILINEAR))
            outer = torch.einsum("bifr,bjfr->bijf", left, right) * BILINEAR**-0.5
            pieces[name] = self.edge_write[i](edge) + outer
        return graph.merge(pieces)

    def places(self, graph: WeightGraph) -> Places:
        """Where each edge block's groups lie among the tokens of this graph."""
        at, start = {}, 0
        for group in self.permutable:
            at[group] = slice(start, start + graph.nodes[group])
            start += graph.nodes[group]
        pairs = {name: graph.blocks[name].groups for name in self.edge_names}
        return {name: (at[row], at[column]) for name, (row, column) in pairs.items()}

    def _owner(self, block: Block) -> str | None:
        """The permutable group whose features a block is; None for edges between two of them."""
        free = [group for group in block.groups if group in self.permutable]
        return None if len(free) == 2 else free[0] if free else GLOBAL

    def _features(self, block: Block) -> int:
        free = [
            size for g, size in zip(block.groups, block.shape, strict=False) if g in self.permutable
        ]
        return block.size // (free[0] if free else 1)

    def _gather(self, graph: WeightGraph, pieces: dict[str, Tensor], owner: str) -> Tensor:
        """``[B, n, F]`` features of a group's tokens; the global token's are ``[B, 1, F]``."""
        found = [
            self._token_first(graph.blocks[name], pieces[name], owner)
            for name, at in self.feature_owner.items()
            if at == owner
        ]
        first = next(iter(pieces.values()))
        empty = first.new_zeros(len(first), graph.nodes.get(owner, 1), 0)
        return torch.cat([empty, *found], 2)

    def _token_first(self, block: Block, piece: Tensor, owner: str) -> Tensor:
        if owner == GLOBAL:
            return piece.flatten(1).unsqueeze(1)
        return piece.movedim(block.groups.index(owner) + 1, 1).flatten(2)

    def _scatter(self, graph: WeightGraph, features: Tensor, owner: str) -> dict[str, Tensor]:
        names = [name for name, at in self.feature_owner.items() if at == owner]
        sizes = [self._features(graph.blocks[name]) for name in names]
        cut = zip(names, features.split(sizes, 2), strict=True) if names else ()
        return {name: self._piece(graph.blocks[name], piece, owner) for name, piece in cut}

    @staticmethod
    def _piece(block: Block, piece: Tensor, owner: str) -> Tensor:
        if owner == GLOBAL:
            return piece.reshape(len(piece), *block.shape)
        dim = block.groups.index(owner)
        rest = [size for i, size in enumerate(block.shape) if i != dim]
        return piece.reshape(*piece.shape[:2], *rest).movedim(1, dim + 1)
