"""Three modules with their symmetry, the easy one and the two hard ones of weight space.

Each block is (name, module in float64, symmetry, inputs).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from wflow_core.symmetry import Group, Part, Symmetry
from wflow_core.weights import WeightLayout


@dataclass(frozen=True)
class Block:
    name: str
    module: nn.Module
    symmetry: Symmetry
    x: Tensor

    def weights(self, n: int, seed: int = 0) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        return torch.randn(n, self.symmetry.layout.size, generator=g, dtype=torch.float64)

    def buffers(self, n: int, seed: int = 0) -> Tensor:
        """Positive, so that they may be variances."""
        g = torch.Generator().manual_seed(seed)
        size = self.symmetry.buffer_layout.size
        return 0.5 + torch.rand(n, size, generator=g, dtype=torch.float64)

    def outputs(self, weights: Tensor, buffers: Tensor) -> Tensor:
        tensors = self.symmetry.layout.unflatten(weights)
        tensors |= self.symmetry.buffer_layout.unflatten(buffers)
        return vmap(lambda state: functional_call(self.module, state, (self.x,)))(tensors)


def mlp(activation: type[nn.Module] = nn.ReLU, scaling: str = "positive") -> Block:
    module = nn.Sequential(
        nn.Linear(5, 7), activation(), nn.Linear(7, 6), activation(), nn.Linear(6, 3)
    )
    groups = {
        "input": Group(5, "fixed"),
        "h1": Group(7, scaling=scaling),
        "h2": Group(6, scaling=scaling),
        "class": Group(3, "fixed"),
    }
    parts = (
        Part("0.weight", ("h1", "input"), scale_exponent={"h1": 1}, in_unit_sphere=True),
        Part("0.bias", ("h1",), scale_exponent={"h1": 1}, in_unit_sphere=True),
        Part("2.weight", ("h2", "h1"), scale_exponent={"h2": 1, "h1": -1}, in_unit_sphere=True),
        Part("2.bias", ("h2",), scale_exponent={"h2": 1}, in_unit_sphere=True),
        Part("4.weight", ("class", "h2"), scale_exponent={"h2": -1}),
        Part("4.bias", ("class",)),
    )
    return _block("mlp", module, groups, parts, torch.randn(11, 5))


class PaddedResidual(nn.Module):
    """A ResNet-20 stage with stride 2 and a zero-padded shortcut (option A), small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.conv1 = nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)))
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return self.fc(F.relu(y + shortcut).mean((2, 3)))


def residual() -> Block:
    groups = {
        "input": Group(3, "fixed"),
        "s1": Group(4, scaling="positive"),
        "s2": Group(4, scaling="positive"),
        "h": Group(8, scaling="positive"),
        "class": Group(5, "fixed"),
    }
    out = (("s2", 0, 2), ("s1", 0, 4), ("s2", 2, 4))
    write = {"s1": 1, "s2": 1}
    parts = [
        Part("conv.weight", ("s1", "input", None, None)),
        Part("conv1.weight", ("h", "s1", None, None), scale_exponent={"s1": -1}),
        Part("conv2.weight", (out, "h", None, None), scale_exponent={"h": -1}),
        Part("fc.weight", ("class", out), scale_exponent={"s1": -1, "s2": -1}),
        Part("fc.bias", ("class",)),
    ]
    for name, axis, power in (("bn", "s1", {"s1": 1}), ("bn1", "h", {"h": 1}), ("bn2", out, write)):
        parts += [
            Part(f"{name}.{p}", (axis,), scale_exponent=power, in_unit_sphere=True)
            for p in ("weight", "bias")
        ]
        parts += [Part(f"{name}.running_{s}", (axis,), buffer=True) for s in ("mean", "var")]
    return _block("residual", PaddedResidual(), groups, tuple(parts), torch.randn(3, 3, 6, 6))


class Attention(nn.Module):
    """A pre-norm transformer block with fused qkv, positions and a classifier."""

    def __init__(self, heads: int = 3, d: int = 4, tokens: int = 5) -> None:
        super().__init__()
        s = heads * d
        self.heads = heads
        self.embed = nn.Linear(6, s)
        self.positions = nn.Parameter(torch.randn(tokens, s))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(s), nn.LayerNorm(s), nn.LayerNorm(s)
        self.qkv, self.proj = nn.Linear(s, 3 * s), nn.Linear(s, s)
        self.fc1, self.fc2 = nn.Linear(s, 9), nn.Linear(9, s)
        self.head = nn.Linear(s, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.positions
        q, k, v = (
            p.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for p in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        weight = (q @ k.transpose(-1, -2)).softmax(-1)
        x = x + self.proj((weight @ v).transpose(1, 2).flatten(2))
        x = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return self.head(self.norm3(x).mean(1))


def attention() -> Block:
    heads, d, tokens = 3, 4, 5
    s = heads * d
    groups = {
        "input": Group(6, "fixed"),
        "token": Group(tokens, "fixed"),
        "stream": Group(s),
        "heads": Group(heads),
        "qk": Group(d, scaling="nonzero", parent="heads"),
        "vo": Group(d, scaling="nonzero", parent="heads"),
        "ff": Group(9),
        "class": Group(4, "fixed"),
    }
    parts = [Part("embed.weight", ("stream", "input")), Part("embed.bias", ("stream",))]
    parts += [Part("positions", ("token", "stream"))]
    for n in (1, 2, 3):
        parts += [Part(f"norm{n}.{p}", ("stream",)) for p in ("weight", "bias")]
    for i, (inner, sign) in enumerate((("qk", 1), ("qk", -1), ("vo", 1))):
        rows, power = (i * s, (i + 1) * s), {inner: sign}
        parts += [
            Part("qkv.weight", ("heads", inner, "stream"), rows, (heads, d, s), power),
            Part("qkv.bias", ("heads", inner), rows, (heads, d), power),
        ]
    parts += [
        Part(
            "proj.weight", ("stream", "heads", "vo"), view=(s, heads, d), scale_exponent={"vo": -1}
        ),
        Part("proj.bias", ("stream",)),
        Part("fc1.weight", ("ff", "stream")),
        Part("fc1.bias", ("ff",)),
        Part("fc2.weight", ("stream", "ff")),
        Part("fc2.bias", ("stream",)),
        Part("head.weight", ("class", "stream")),
        Part("head.bias", ("class",)),
    ]
    return _block("attention", Attention(), groups, tuple(parts), torch.randn(7, tokens, 6))


def _block(
    name: str, module: nn.Module, groups: dict[str, Group], parts: tuple[Part, ...], x: Tensor
) -> Block:
    module = module.double().eval()
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    return Block(name, module, Symmetry(groups, parts, *layouts), x.double())


def all_blocks() -> list[Block]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tanh = mlp(nn.Tanh, "sign")
        return [
            mlp(),
            Block("tanh mlp", tanh.module, tanh.symmetry, tanh.x),
            residual(),
            attention(),
        ]


BLOCKS = all_blocks()
