"""Weight sets: many networks of one architecture, as flat weights with what is known of each.

With ``layout.py`` the only place that knows flat vectors <-> state dicts. Shapes: N networks, P
weights of one network, Q buffer entries of one network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.weights.layout import TensorSlot, WeightLayout

__all__ = ["TensorSlot", "WeightLayout", "WeightSet"]

COVARIATES = "covariates."
"""What the names of covariates begin with among tensors."""


def from_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Fields of a weight set, from the tensors that ``WeightSet.tensors`` gave."""
    fields: dict[str, Any] = {n: t for n, t in tensors.items() if not n.startswith(COVARIATES)}
    covariates = {n[len(COVARIATES) :]: t for n, t in tensors.items() if n.startswith(COVARIATES)}
    return fields | ({"covariates": covariates} if covariates else {})


@dataclass(frozen=True)
class WeightSet:
    """N networks of one architecture.

    Attributes:
        layout: where each parameter lies.
        weights: ``[N, P]``.
        buffer_layout: where each buffer lies.
        buffers: ``[N, Q]``; Q may be 0.
        initial: ``[N, P]`` the weights that training started from, where known.
        run: ``[N]`` the training run of each network; snapshots of one run share it.
        step: ``[N]`` the optimizer step at which each was taken.
        covariates: name -> ``[N]``, further properties: numbers (float, NaN where unknown), or
            indices of categories (int64, -1 where unknown). Those of samples are their conditions.
        categories: name of a categorical covariate -> names of its values.
    """

    layout: WeightLayout
    weights: Tensor
    buffer_layout: WeightLayout
    buffers: Tensor
    run: Tensor
    step: Tensor
    initial: Tensor | None = None
    covariates: dict[str, Tensor] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        weights: Tensor,
        buffers: Tensor | None = None,
        run: Tensor | None = None,
        step: Tensor | None = None,
        initial: Tensor | None = None,
    ) -> WeightSet:
        """A weight set of ``module``'s architecture; each network its own run unless told."""
        n, device = len(weights), weights.device
        buffer_layout = WeightLayout.of_buffers(module)
        if buffers is None:
            default = buffer_layout.flatten(dict(module.named_buffers()))
            buffers = default.to(weights).expand(n, -1).clone()
        run = torch.arange(n, device=device) if run is None else run
        step = torch.zeros(n, dtype=torch.int64, device=device) if step is None else step
        layout = WeightLayout.of_parameters(module)
        return cls(layout, weights, buffer_layout, buffers, run, step, initial)

    @classmethod
    def from_state_dicts(
        cls, module: nn.Module, state_dicts: Sequence[Mapping[str, Tensor]]
    ) -> WeightSet:
        """Networks from state dicts of ``module``'s architecture."""
        layout, buffer_layout = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
        weights = torch.stack([layout.flatten(s) for s in state_dicts])
        buffers = torch.stack([buffer_layout.flatten(s) for s in state_dicts])
        return cls.from_module(module, weights, buffers.to(weights.dtype))

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, index: Tensor | slice) -> WeightSet:
        if isinstance(index, int):
            raise DataError(f"a weight set is cut by slices: [{index} : {index + 1}]")
        initial = None if self.initial is None else self.initial[index]
        return replace(
            self,
            weights=self.weights[index],
            buffers=self.buffers[index],
            run=self.run[index],
            step=self.step[index],
            initial=initial,
            covariates={name: tensor[index] for name, tensor in self.covariates.items()},
        )

    def to(self, device: torch.device | str) -> WeightSet:
        return self.with_tensors({name: t.to(device) for name, t in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by the names of their fields, covariates as ``covariates.<name>``."""
        named = {f: getattr(self, f) for f in ("weights", "buffers", "run", "step", "initial")}
        named |= {f"{COVARIATES}{name}": tensor for name, tensor in self.covariates.items()}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> WeightSet:
        """The same with other tensors, by the names that ``tensors`` gives them."""
        return replace(self, **from_tensors(tensors))

    def state_dicts(self) -> list[dict[str, Tensor]]:
        """One state dict a network, as ``load_state_dict`` takes it."""
        return [
            self.layout.state_dict(w) | self.buffer_layout.state_dict(b)
            for w, b in zip(self.weights.cpu(), self.buffers.cpu(), strict=True)
        ]
