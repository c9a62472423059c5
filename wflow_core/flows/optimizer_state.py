"""States of torch optimizers as named tensors, ``optimizer/parameter/name``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The tensors of all states."""
    return {
        f"{number}/{parameter}/{name}": tensor
        for number, optimizer in enumerate(optimizers)
        for parameter, slots in optimizer.state_dict()["state"].items()
        for name, tensor in slots.items()
    }


def load_optimizers(
    optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]
) -> None:
    """Restore states from what ``optimizer_tensors`` gave."""
    states: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimizers]
    for path, tensor in tensors.items():
        number, parameter, name = path.split("/")
        states[int(number)].setdefault(int(parameter), {})[name] = tensor
    for optimizer, state in zip(optimizers, states, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
