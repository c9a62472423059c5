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
from wflow_plugins.architectures.attention import STREAM, AttentionParts, multi_head_attention
from wflow_plugins.architectures.transformer import (
    Transformer,
    check_divisible,
    linear_parts,
    norm_parts,
)

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
        outputs: Tensor = self.proj(multi_head_attention(q, k, v, self.heads))
        return outputs


class Block(nn.Module):
    """Attention and a hidden layer, each after a LayerNorm and added to the stream."""

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
    """``[B, C, H, W] -> [B, outputs]``, with tensor names as in the package timm."""

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
    """Image patches as tokens, attention blocks, and a linear layer on one token or the mean.

    Groups: ``stream``; for each block N ``blocks.N.heads``, in each head ``.qk`` and ``.vo``, and
    ``.hidden``. ``input`` (channels), ``token`` (positions) and ``output`` are fixed.

    Source: Dosovitskiy et al. 2021 (arXiv 2010.11929).

    Raises:
        UnsupportedError: inputs are not images, patches do not divide them, or heads the width.
    """

    class Config(Options):
        patch: int = Field(4, ge=1, description="height and width of a patch, in pixels")
        width: int = Field(64, ge=1, description="width of the residual stream")
        depth: int = Field(4, ge=1, description="number of blocks")
        heads: int = Field(4, ge=1, description="attention heads; must divide the width")
        mlp_ratio: float = Field(2.0, gt=0, description="units of a hidden layer per unit of width")
        pool: Literal["class", "mean"] = Field(
            "class", description="input of the last layer: a class token, or the mean of all tokens"
        )
        qkv_bias: bool = Field(True, description="biases of queries, keys and values")

        @property
        def hidden(self) -> int:
            """Units of a hidden layer."""
            return max(1, int(self.width * self.mlp_ratio))

    def __init__(self, signature: Signature, **options: Any):
        super().__init__(signature, **options)
        c, inputs = self.config, signature.inputs
        if len(inputs) != 3 or any(side % c.patch for side in inputs[1:]):
            raise UnsupportedError(
                f"vit needs images (channels, height, width) that patches of {c.patch} x {c.patch} "
                f"divide, got inputs of shape {list(inputs)}; choose an image task (with `flat: "
                "false` where it has that option) and a patch that divides height and width"
            )
        check_divisible(c.width, c.heads)

    def build_module(self) -> nn.Module:
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
            heads = AttentionParts(name, c.heads, c.width // c.heads)
            groups |= heads.groups() | {f"{name}.hidden": Group(c.hidden)}
            parts += self._block(name, heads)
        groups["output"] = Group(self.signature.outputs, "fixed")
        parts += [*norm_parts("norm"), *linear_parts("head", "output", STREAM)]
        return Symmetry(groups, tuple(parts), WeightLayout.of_parameters(self.template))

    def _block(self, name: str, heads: AttentionParts) -> list[Part]:
        qkv, bias = f"{name}.attn.qkv", self.config.qkv_bias
        return [
            *norm_parts(f"{name}.norm1"),
            *heads.query(qkv, 0, bias),
            *heads.key(qkv, 1, bias),
            *heads.value(qkv, 2, bias),
            *heads.output(f"{name}.attn.proj"),
            *norm_parts(f"{name}.norm2"),
            *linear_parts(f"{name}.mlp.fc1", f"{name}.hidden", STREAM),
            *linear_parts(f"{name}.mlp.fc2", STREAM, f"{name}.hidden"),
        ]
