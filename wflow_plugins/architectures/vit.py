"""The vision transformer, of any size.

Shapes: B batch, C channels, H and W height and width, T tokens, S width of the stream.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Group, Part
from wflow_core.weights import WeightLayout
from wflow_plugins.architectures.attention import STREAM, Heads, attend
from wflow_plugins.architectures.transformer import Transformer, linear, norm, refuse_uneven

EPS = 1e-6


class Attention(nn.Module):
    """Queries, keys and values from one layer."""

    def __init__(self, width: int, heads: int, qkv_bias: bool):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        mixed: Tensor = self.proj(attend(q, k, v, self.heads))
        return mixed


class Block(nn.Module):
    """Attention and a hidden layer, each added to the stream, each normalising what it reads."""

    def __init__(self, width: int, heads: int, hidden: int, qkv_bias: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        layers = {"fc1": nn.Linear(width, hidden), "act": nn.GELU()}
        self.mlp = nn.Sequential(OrderedDict(layers, fc2=nn.Linear(hidden, width)))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """``[B, C, H, W] -> [B, outputs]``; tensors are called as those of the package timm."""

    def __init__(self, signature: Signature, config: Any):
        super().__init__()
        (channels, height, width), c = signature.inputs, config
        patch = nn.Conv2d(channels, c.width, c.patch, stride=c.patch)
        self.patch_embed = nn.Sequential(OrderedDict(proj=patch))
        tokens, self.pool = (height // c.patch) * (width // c.patch), c.pool
        if c.pool == "class":
            tokens += 1
            self.cls_token = nn.Parameter(torch.empty(1, 1, c.width))
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, c.width))
        blocks = (Block(c.width, c.heads, c.hidden, c.qkv_bias) for _ in range(c.depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(c.width, eps=EPS)
        self.head = nn.Linear(c.width, signature.outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).mT
        if self.pool == "class":
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.pos_embed))
        scores: Tensor = self.head(x[:, 0] if self.pool == "class" else x.mean(1))
        return scores


class Vit(Transformer):
    """Patches of an image as tokens, blocks of attention, a linear layer on one token or the mean.

    Groups: ``stream``, of each block N ``blocks.N.heads``, ``.qk`` and ``.vo`` in each head, and
    ``.hidden``; the channels ``input``, the places ``token`` and ``output`` are fixed.

    Source: Dosovitskiy et al. 2021 (arXiv 2010.11929).

    Raises:
        UnsupportedError: inputs are no images, or patches do not fill them, or heads the width.
    """

    class Config(Options):
        patch: int = Field(4, ge=1, description="height and width of a patch, in pixels")
        width: int = Field(64, ge=1, description="of the residual stream")
        depth: int = Field(4, ge=1, description="number of blocks")
        heads: int = Field(4, ge=1, description="of attention; they share the width")
        mlp_ratio: float = Field(2.0, gt=0, description="units of a hidden layer, over the width")
        pool: Literal["class", "mean"] = Field(
            "class", description="what is classified: a class token, or the mean of all tokens"
        )
        qkv_bias: bool = Field(True, description="queries, keys and values have biases")

        @property
        def hidden(self) -> int:
            """Units of a hidden layer."""
            return max(1, int(self.width * self.mlp_ratio))

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        c, inputs = self.config, signature.inputs
        if len(inputs) != 3 or any(side % c.patch for side in inputs[1:]):
            raise UnsupportedError(
                f"vit cuts images (channels, height, width) into patches of {c.patch} x {c.patch}; "
                f"got inputs of shape {list(inputs)}; choose an image task (with `flat: false` "
                "where it has that option) and a patch that divides height and width"
            )
        refuse_uneven(c.width, c.heads)

    def network(self) -> nn.Module:
        return VisionTransformer(self.signature, self.config)

    def define_symmetry(self) -> Symmetry:
        c, shapes = self.config, WeightLayout.of_parameters(self.template).by_name
        tokens = shapes["pos_embed"].shape[1]
        groups = {
            "input": Group(self.signature.inputs[0], "fixed"),
            "token": Group(tokens, "fixed"),
            STREAM: Group(c.width),
        }
        parts = [Part("cls_token", (STREAM,), view=(c.width,))] if c.pool == "class" else []
        parts += [
            Part("pos_embed", ("token", STREAM), view=(tokens, c.width)),
            Part("patch_embed.proj.weight", (STREAM, "input", None, None)),
            Part("patch_embed.proj.bias", (STREAM,)),
        ]
        for name in (f"blocks.{number}" for number in range(c.depth)):
            heads = Heads(name, c.heads, c.width // c.heads)
            groups |= heads.groups() | {f"{name}.hidden": Group(c.hidden)}
            parts += self._block(name, heads)
        groups["output"] = Group(self.signature.outputs, "fixed")
        parts += [*norm("norm"), *linear("head", "output", STREAM)]
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.template))

    def _block(self, name: str, heads: Heads) -> list[Part]:
        qkv, bias = f"{name}.attn.qkv", self.config.qkv_bias
        return [
            *norm(f"{name}.norm1"),
            *heads.query(qkv, 0, bias),
            *heads.key(qkv, 1, bias),
            *heads.value(qkv, 2, bias),
            *heads.output(f"{name}.attn.proj"),
            *norm(f"{name}.norm2"),
            *linear(f"{name}.mlp.fc1", f"{name}.hidden", STREAM),
            *linear(f"{name}.mlp.fc2", STREAM, f"{name}.hidden"),
        ]
