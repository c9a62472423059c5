"""Small modules whose symmetry is known, for the tests of tracing.

Each of ``CASES`` has its permutable groups: number of units, scaling, and size of the parent group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from blocks import Attention, PaddedResidual
from torch import Tensor, nn
from torch.nn import functional as F

PermutableGroup = tuple[int, str] | tuple[int, str, int]


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    permutable: list[PermutableGroup]
    noted: str = ""
    tokens: int = 0

    def inputs(self) -> Tensor:
        g = torch.Generator().manual_seed(1)
        if self.tokens:
            return torch.randint(0, self.tokens, self.shape, generator=g)
        return torch.randn(self.shape, generator=g)

    def module(self) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.make().eval()


class Residual(nn.Module):
    """A stream that a branch is added to."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 7), nn.Linear(7, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        return self.head((x + self.b(self.a(x).relu())).relu())


class Projected(nn.Module):
    """A shortcut that is a convolution with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3, 2, 1, bias=False)
        self.bn, self.short = nn.BatchNorm2d(6), nn.Conv2d(4, 6, 1, 2, bias=False)
        self.bn_short, self.head = nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = F.relu(self.bn(self.conv(x)) + self.bn_short(self.short(x)), inplace=True)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Concatenated(nn.Module):
    """Two branches side by side, and the first once more."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(4, 3)
        self.c, self.head = nn.Linear(8, 6), nn.Linear(11, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x).relu(), self.b(x).tanh()
        c = self.c(torch.cat([a, b], 1)).relu()
        return self.head(torch.cat([c, a], 1))


class Grouped(nn.Module):
    """A grouped convolution, then a depthwise one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.grouped = nn.Conv2d(2, 6, 1), nn.Conv2d(6, 9, 3, groups=3)
        self.depth, self.point = nn.Conv2d(9, 9, 3, groups=9), nn.Conv2d(9, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.depth(F.gelu(self.grouped(self.stem(x).relu()))))
        return self.head(F.gelu(self.point(x)).mean((2, 3)))


class Mixing(nn.Module):
    """Channels and places are taken for each other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.next, self.head = nn.Conv2d(2, 5, 1), nn.Conv2d(4, 6, 1), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu()
        return self.head(self.next(x.reshape(len(x), 4, 5, 4)).relu().mean((2, 3)))


class Tied(nn.Module):
    """An embedding that is read and written by one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(9, 6), nn.LayerNorm(6)
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 6)
        self.head = nn.Linear(6, 9, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(self.norm(x + self.fc2(F.silu(self.fc1(x)))))


class TwoHeads(nn.Module):
    """Two outputs, of which one reads only the trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.more = nn.Linear(4, 7), nn.Linear(7, 5)
        self.a, self.b = nn.Linear(7, 2), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(x).relu()
        return self.a(x), self.b(self.more(x).tanh())


class Shared(nn.Module):
    """One block called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 6), nn.Linear(6, 3)
        self.block = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.block(self.stem(x).relu())))


class Gated(nn.Module):
    """Squeeze and excite, then a gated linear unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down, self.up = nn.Conv2d(2, 6, 3), nn.Linear(6, 3), nn.Linear(3, 6)
        self.gate, self.value, self.head = nn.Linear(6, 5), nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.conv(x))
        x = x * self.up(self.down(x.mean((2, 3))).relu()).sigmoid()[..., None, None]
        x = x.amax((2, 3))
        return self.head(F.silu(self.gate(x)) * self.value(x))


class Sliced(nn.Module):
    """Halves of one layer with activations of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        return self.head(torch.cat([x[:, :4].relu(), x[:, 4:].tanh()], 1))


class Shuffled(nn.Module):
    """Channels are shuffled between two grouped convolutions of as many groups."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 1, groups=2), nn.Conv2d(4, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu()
        x = x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2)
        return self.head(self.b(x).relu().mean((2, 3)))


class Numbered(nn.Module):
    """A recurrent cell with BatchNorm on a flattened image and an outer tensor of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.cell, self.head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.scale = nn.Parameter(torch.rand(6))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 6)
        for _ in range(2):
            h = (self.into(x) + self.cell(h) * self.scale).tanh()
        return self.head(h)


class Torch(nn.Module):
    """Torch's own encoder layer over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 6)
        self.layer = nn.TransformerEncoderLayer(6, 3, 5, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(x)).mean(1))


class Rotated(nn.Module):
    """Attention whose queries and keys are rotated by position, or normalised in each head."""

    def __init__(self, normed: bool = False) -> None:
        super().__init__()
        self.embed, self.qkv = nn.Linear(4, 12), nn.Linear(12, 36)
        self.out, self.head = nn.Linear(12, 12), nn.Linear(12, 2)
        self.norm = nn.LayerNorm(4) if normed else None
        angle = torch.arange(5)[:, None] * torch.tensor([1.0, 0.3, 1.0, 0.3])
        self.register_buffer("turn", torch.stack([angle.cos(), angle.sin()]), persistent=False)

    def turned(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return x * self.turn[0] + torch.cat([-b, a], -1) * self.turn[1]

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        q, k, v = (y.unflatten(-1, (3, 4)).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        change = self.turned if self.norm is None else self.norm
        y = F.scaled_dot_product_attention(change(q), change(k), v, is_causal=True)
        return self.head(F.rms_norm(x + self.out(y.transpose(1, 2).flatten(2)), (12,)))


class Branches(nn.Module):
    """A small U-net: a way down, a way up, and what the way down had beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 6, 3, 2, 1)
        self.up, self.c = nn.ConvTranspose2d(6, 5, 2, 2), nn.Conv2d(9, 3, 3, padding=1)
        self.out = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x).relu()
        up = self.up(self.b(a).relu()).relu()
        return self.out(self.c(torch.cat([a, up], 1)).relu())


def mlp(activation: type[nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 7), activation(), nn.Linear(7, 6), activation(), nn.Linear(6, 3)
    )


def cnn() -> nn.Module:
    convolved = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(convolved, nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))


def batch_norm() -> nn.Module:
    first = (nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten())
    return nn.Sequential(*first, nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))


def group_norm() -> nn.Module:
    first = (nn.Conv2d(2, 6, 3), nn.GroupNorm(3, 6), nn.GELU())
    return nn.Sequential(*first, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 3))


def decoder() -> nn.Module:
    wide = (nn.Linear(4, 12), nn.ReLU(), nn.Unflatten(1, (3, 2, 2)), nn.ConvTranspose2d(3, 5, 2))
    return nn.Sequential(*wide, nn.LeakyReLU(), nn.Conv2d(5, 2, 1))


CASES = [
    Case("plain mlp", lambda: mlp(nn.ReLU), (2, 5), [(7, "positive"), (6, "positive")]),
    Case("tanh mlp", lambda: mlp(nn.Tanh), (2, 5), [(7, "sign"), (6, "sign")]),
    Case("cnn with flatten", cnn, (2, 2, 4, 4), [(4, "positive"), (5, "positive")]),
    Case("batch norm cnn", batch_norm, (2, 2, 4, 4), [(4, "positive"), (5, "sign")]),
    Case("residual", Residual, (2, 4), [(6, "positive"), (7, "positive")]),
    Case(
        "zero-padded shortcut",
        PaddedResidual,
        (2, 3, 6, 6),
        [(4, "positive"), (4, "positive"), (8, "positive")],
    ),
    Case("projecting shortcut", Projected, (2, 2, 7, 7), [(4, "positive"), (6, "positive")]),
    Case("concatenation", Concatenated, (2, 4), [(5, "positive"), (3, "sign"), (6, "positive")]),
    Case(
        "grouped convolution",
        Grouped,
        (2, 2, 7, 7),
        [(3, "none"), (2, "positive", 3), (3, "none", 3), (4, "none")],
    ),
    Case(
        "reshape that mixes", Mixing, (2, 2, 4, 4), [(6, "positive")], noted="at conv: a view mixes"
    ),
    Case("weight tying", Tied, (2, 3), [(6, "none"), (8, "none")], tokens=9),
    Case("two heads", TwoHeads, (2, 4), [(7, "positive"), (5, "sign")]),
    Case("shared block", Shared, (2, 4), [(6, "positive"), (8, "positive")]),
    Case(
        "attention block",
        Attention,
        (2, 5, 6),
        [(12, "none"), (3, "none"), (4, "nonzero", 3), (4, "nonzero", 3), (9, "none")],
    ),
    Case("gates", Gated, (2, 2, 5, 5), [(6, "none"), (3, "positive"), (5, "nonzero")]),
    Case("slices", Sliced, (2, 4), [(4, "positive"), (4, "sign")]),
    Case("channel shuffle", Shuffled, (2, 2, 3, 3), [(2, "positive")] * 2 + [(6, "positive")]),
    Case("recurrent cell", Numbered, (2, 4), [(6, "none")]),
    Case(
        "encoder layer of torch",
        Torch,
        (2, 5),
        [(6, "none"), (3, "none"), (2, "nonzero", 3), (2, "nonzero", 3), (5, "positive")],
        tokens=7,
    ),
    Case("group norm", group_norm, (2, 2, 4, 4), [(3, "none"), (2, "none", 3)]),
    Case(
        "rotary attention",
        Rotated,
        (2, 5, 4),
        [(12, "none"), (3, "none"), (4, "nonzero", 3)],
        noted="scaling at qkv.heads",
    ),
    Case(
        "heads that share a norm",
        lambda: Rotated(normed=True),
        (2, 5, 4),
        [(12, "none")],
        noted="program at qkv: no single permutation of its units",
    ),
    Case(
        "u-net",
        Branches,
        (2, 2, 4, 4),
        [(4, "positive"), (6, "positive"), (5, "positive"), (3, "none")],
    ),
    Case("decoder", decoder, (2, 4), [(3, "positive"), (5, "positive")]),
]
