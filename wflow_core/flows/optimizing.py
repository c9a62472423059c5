"""What trains a velocity: AdamW, or Muon for its matrices and AdamW for the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.flows.muon import Muon
from wflow_core.interfaces.velocity import Velocity
from wflow_core.specs.options import TrainOptions


class VelocityOptimizer:
    """Steps of one or two optimizers, at fractions of their learning rates.

    Raises:
        UnsupportedError: Muon is asked for, and the velocity names no matrices.
    """

    def __init__(self, velocity: Velocity, options: TrainOptions):
        refuse_muon(velocity, options)
        o, decay = options, options.weight_decay
        matrices = [] if o.muon_lr is None else velocity.hidden_matrices()
        theirs = set(map(id, matrices))
        rest = [p for p in velocity.parameters() if id(p) not in theirs]
        adamw = torch.optim.AdamW(rest, lr=o.lr, weight_decay=decay, fused=True)
        self.optimizers: list[torch.optim.Optimizer] = [adamw]
        self.rates = [o.lr]
        if o.muon_lr is not None:
            self.optimizers.append(Muon(matrices, o.muon_lr, weight_decay=decay))
            self.rates.append(o.muon_lr)

    def zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self, fraction: float) -> None:
        """One step, at this fraction of the learning rates."""
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * fraction
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Named tensors, ``optimizer/parameter/name``."""
        return {
            f"{place}/{number}/{name}": tensor
            for place, optimizer in enumerate(self.optimizers)
            for number, slots in optimizer.state_dict()["state"].items()
            for name, tensor in slots.items()
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what ``state`` gave."""
        slots: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.optimizers]
        for path, tensor in tensors.items():
            place, number, name = path.split("/")
            slots[int(place)].setdefault(int(number), {})[name] = tensor
        for optimizer, of in zip(self.optimizers, slots, strict=True):
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": of, "param_groups": groups})


def refuse_muon(velocity: Velocity, options: TrainOptions) -> None:
    """Refuse Muon where there is nothing for it.

    Raises:
        UnsupportedError: it is asked for, and the velocity names no matrices.
    """
    if options.muon_lr is not None and not velocity.hidden_matrices():
        raise UnsupportedError(
            f"{type(velocity).__name__} names no matrices between hidden features, which are what "
            "Muon trains; leave train.muon_lr out, or take another velocity, such as "
            "`neuron_transformer`"
        )
