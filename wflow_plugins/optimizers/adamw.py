"""AdamW."""

from __future__ import annotations

import torch
from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.optimizer import Optimizer
from wflow_core.interfaces.velocity import Velocity


class AdamW(Optimizer):
    """torch's AdamW over all parameters. Source: Loshchilov & Hutter 2019 (arXiv 1711.05101)."""

    class Config(Options):
        lr: float = Field(1e-3, gt=0, description="highest learning rate")
        weight_decay: float = Field(0.0, ge=0, description="decoupled from the gradient")

    def build(self, velocity: Velocity) -> list[torch.optim.Optimizer]:
        o = self.config
        parameters = list(velocity.parameters())
        return [torch.optim.AdamW(parameters, lr=o.lr, weight_decay=o.weight_decay, fused=True)]
