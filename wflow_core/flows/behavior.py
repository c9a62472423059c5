"""How far predicted networks are from those that they should be, as functions.

Weights that lie close may compute different things, and weights far apart the same. Beside the
distance of weights, a flow may be trained on the distance of outputs on training inputs; the
prior and the sampling see no data either way.

Source: behavioural losses for networks that make weights, Meynent et al. 2025 (arXiv 2503.17138);
there of a reconstruction, here of the end x1_hat that a flow predicts. Shapes: B networks,
D coordinates, R rows of data, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Task
from wflow_core.networks.by_batch import networks_by_batch
from wflow_core.specs.options import BehaviorOptions


class Behavior:
    """Mean divergence of outputs on random training rows, in nats, times a weight.

    BatchNorm normalises by the rows at hand, for both.

    Args:
        decode: from points of the space ``[B, D]`` to weights, differentiable.

    Raises:
        UnsupportedError: the task has no data; or networks have buffers other than the statistics
            of BatchNorm, which a predicted network does not know.
    """

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        decode: Callable[[Tensor], Tensor],
        options: BehaviorOptions,
    ):
        if task.objective is None:
            raise UnsupportedError("behavior compares outputs on data, and this task has none")
        self.networks = networks_by_batch(architecture, options.rows)
        if next(self.networks.module.buffers(), None) is not None:
            raise UnsupportedError(
                "behavior compares networks by their weights alone; those of "
                f"{architecture!r} have buffers that no rows of data give"
            )
        self.task, self.architecture, self.decode = task, architecture, decode
        self.objective, self.options = task.objective, options
        self._inputs: dict[torch.device, Tensor] = {}

    def __call__(
        self, ends: Tensor, wanted: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Predicted ends and the zoo's points, ``[B, D]`` each, ``-> [B]``."""
        inputs = self._rows(ends.device, generator)
        with torch.no_grad():
            right = self.networks(self.decode(wanted), inputs)
        outputs = self.networks(self.decode(ends), inputs)
        return self.options.weight * self.objective.divergence(outputs, right).mean(-1)

    def _rows(self, device: torch.device, generator: torch.Generator | None) -> Tensor:
        """``[R, *inputs]``, drawn anew each time, the same for all networks."""
        if device not in self._inputs:
            self._inputs[device] = self.task.splits["train"].x.to(device)
        inputs = self._inputs[device]
        place = generator.device if generator else device
        index = torch.randint(len(inputs), (self.options.rows,), generator=generator, device=place)
        return inputs[index.to(device)]
