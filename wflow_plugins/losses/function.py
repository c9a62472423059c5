"""The distance of predicted networks to zoo networks as functions.

Source: behavioural losses for networks that make weights, Meynent et al. 2025 (arXiv 2503.17138);
there of a reconstruction, here of the endpoint that a flow predicts. Shapes: B networks,
D coordinates, R rows of data, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.loss import Loss
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.task import Task
from wflow_plugins.batchnorm.batch_statistics import networks_by_batch


class FunctionSpaceLoss(Loss):
    """Mean divergence of outputs on random training rows, in nats, times a weight.

    Weights that are close may compute different functions, and distant weights the same. The prior
    and the sampling use no data. BatchNorm normalises by the rows of the batch, for both networks.

    Raises:
        UnsupportedError: networks have buffers other than the statistics of BatchNorm, which are
            unknown for a predicted network.
    """

    class Config(Options):
        weight: float = Field(1.0, gt=0, description="of a nat, beside the loss of the weights")
        num_inputs: int = Field(
            128, ge=1, description="training inputs of an iteration, drawn anew in each"
        )

    needs = frozenset({DATA})

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        decode: Callable[[Tensor], Tensor],
        **options: Any,
    ):
        super().__init__(task, architecture, decode, **options)
        self.batched = networks_by_batch(architecture, self.config.num_inputs)
        if next(self.batched.module.buffers(), None) is not None:
            raise UnsupportedError(
                "the function-space loss compares networks by their weights alone; those of "
                f"{architecture!r} have buffers that no rows of data give"
            )
        self._inputs: dict[torch.device, Tensor] = {}

    def __call__(
        self, endpoint: Tensor, x1: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        inputs = self._sample_inputs(endpoint.device, generator)
        with torch.no_grad():
            target = self.batched(self.decode(x1), inputs)
        outputs = self.batched(self.decode(endpoint), inputs)
        return self.config.weight * objective.output_divergence(outputs, target).mean(-1)

    def _sample_inputs(self, device: torch.device, generator: torch.Generator | None) -> Tensor:
        """``[R, *inputs]``, drawn anew each time, the same for all networks."""
        if device not in self._inputs:
            self._inputs[device] = self.task.splits["train"].x.to(device)
        inputs, count = self._inputs[device], self.config.num_inputs
        place = generator.device if generator else device
        index = torch.randint(len(inputs), (count,), generator=generator, device=place)
        return inputs[index.to(device)]
