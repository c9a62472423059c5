"""Muon for the matrices of a velocity, AdamW for the rest."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.optimizer import Optimizer
from wflow_core.interfaces.velocity import Velocity
from wflow_plugins.optimizers.orthogonal_momentum import OrthogonalMomentum


class Muon(Optimizer):
    """Muon trains the weight matrices between hidden features, AdamW all other parameters.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".

    Raises:
        UnsupportedError: the velocity defines no hidden matrices.
    """

    class Config(Options):
        muon_lr: float = Field(1e-2, gt=0, description="highest learning rate of Muon")
        lr: float = Field(1e-3, gt=0, description="highest learning rate of AdamW")
        weight_decay: float = Field(0.0, ge=0, description="decoupled from the gradient")

    def check(self, components: Components) -> None:
        hidden_matrices(components.velocity)

    def build(self, velocity: Velocity) -> list[torch.optim.Optimizer]:
        o, matrices = self.config, hidden_matrices(velocity)
        of_muon = set(map(id, matrices))
        rest = [p for p in velocity.parameters() if id(p) not in of_muon]
        return [
            torch.optim.AdamW(rest, lr=o.lr, weight_decay=o.weight_decay, fused=True),
            OrthogonalMomentum(matrices, o.muon_lr, weight_decay=o.weight_decay),
        ]


def hidden_matrices(velocity: Velocity) -> list[nn.Parameter]:
    """What Muon trains.

    Raises:
        UnsupportedError: the velocity has none.
    """
    if not (matrices := velocity.hidden_matrices()):
        raise UnsupportedError(
            f"{type(velocity).__name__} defines no hidden_matrices(), so that Muon has nothing to "
            "train; take the optimizer `adamw`, or another velocity"
        )
    return matrices
