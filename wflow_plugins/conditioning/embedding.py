"""Covariates embedded beside the time.

Shapes: B batch, N networks, K covariates, E width of the embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wflow_plugins.conditioning.covariates import CovariateColumns

TERMS = 6


class ConditionEmbedding(nn.Module):
    """Adds the covariates of each point to the embedding of its time.

    A category has an embedding, a number goes through standardised features and a small network;
    unknown covariates have an embedding of their own. The sum of all, and of the time, is mixed
    once more, so that the effect of a covariate may change with time.
    """

    def __init__(self, columns: CovariateColumns, width: int):
        super().__init__()
        self.columns = columns
        self.embed = nn.ModuleList(
            Numbers(width) if r.categories is None else Categories(len(r.categories), width)
            for r in columns.covariates
        )
        self.mix = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )

    def forward(self, time: Tensor, cond: Tensor | None = None) -> Tensor:
        """Time ``[B, E]`` and covariates ``[B, K]``, NaN where unknown, ``-> [B, E]``."""
        if cond is None:
            cond = self.columns.unknown.to(time).expand(len(time), -1)
        known = [embed(column) for embed, column in zip(self.embed, cond.T, strict=True)]
        mixed: Tensor = self.mix(time + torch.stack(known).sum(0))
        return time + mixed

    def fit(self, cond: Tensor) -> None:
        """Fit mean and standard deviation of numbers to covariates ``[N, K]``."""
        for embed, column in zip(self.embed, cond.T, strict=True):
            if isinstance(embed, Numbers):
                embed.fit(column[column.isfinite()])


class Categories(nn.Module):
    """``[B] -> [B, E]``: an embedding of each category, and one of none."""

    def __init__(self, count: int, width: int):
        super().__init__()
        self.count = count
        self.table = nn.Embedding(count + 1, width)

    def forward(self, column: Tensor) -> Tensor:
        embedded: Tensor = self.table(column.nan_to_num(self.count).long())
        return embedded


class Numbers(nn.Module):
    """``[B] -> [B, E]``: a standardised number with sines of it, through a small network."""

    mean: Tensor
    spread: Tensor
    frequencies: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(-4, 0, TERMS))
        self.features = nn.Sequential(
            nn.Linear(2 * TERMS + 1, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.none = nn.Parameter(torch.randn(width))

    def forward(self, column: Tensor) -> Tensor:
        unit = (column - self.mean) / self.spread
        # Before the network, so that no NaN reaches a gradient.
        angle = unit.nan_to_num(0.0).unsqueeze(-1) * self.frequencies
        features = torch.cat([unit.nan_to_num(0.0).unsqueeze(-1), angle.sin(), angle.cos()], -1)
        return torch.where(unit.isnan().unsqueeze(-1), self.none, self.features(features))

    def fit(self, numbers: Tensor) -> None:
        if len(numbers):
            self.mean.copy_(numbers.mean())
            self.spread.copy_(numbers.std(correction=0).clamp_min(1e-8))
