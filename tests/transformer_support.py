"""Small transformers, and networks of theirs in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Signature
from wflow_plugins.architectures.bert import Bert
from wflow_plugins.architectures.vit import Vit

IMAGES, TEXTS = Signature((2, 4, 8), 3), Signature((6,), 2, vocabulary=9)


def vit(**options: Any) -> Vit:
    return Vit(IMAGES, **{"patch": 2, "width": 12, "heads": 3, "depth": 2, **options})


def bert(**options: Any) -> Bert:
    small = {"width": 12, "heads": 3, "intermediate": 7, "positions": 8}
    return Bert(TEXTS, **{**small, **options})


def transformers() -> dict[str, Architecture]:
    return {
        "vit": vit(),
        "vit, mean": vit(pool="mean", mlp_ratio=0.75, patch=4),
        "vit, no bias": vit(qkv_bias=False, depth=1),
        "vit, one head": vit(heads=1, depth=1),
        "bert": bert(),
        "bert, more words": bert(vocabulary=20, layers=1),
    }


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_weights(architecture: Architecture, n: int, seed: int = 0) -> Tensor:
    """Large ones, so that attention looks at few tokens and nothing is nearly linear."""
    size = architecture.symmetry.layout.size
    return 0.7 * torch.randn(n, size, generator=seeded(seed), dtype=torch.float64)


def inputs(architecture: Architecture, n: int = 4, seed: int = 3) -> Tensor:
    """Random inputs; of texts, the second half ends with padding."""
    x = architecture.signature.draw(n, seeded(seed))
    if x.is_floating_point():
        return x.double()
    x[n // 2 :, -2:] = 0
    return x


def outputs(architecture: Architecture, weights: Tensor, x: Tensor | None = None) -> Tensor:
    architecture.batched.module.double()
    with torch.no_grad():
        return architecture.batched(weights, inputs(architecture) if x is None else x)
