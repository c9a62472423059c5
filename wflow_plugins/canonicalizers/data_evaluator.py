"""Evaluation of networks on training data, from their weights alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Split, Task
from wflow_core.networks.batched import BatchedNetworks
from wflow_plugins.batchnorm.batch_statistics import by_batch


class DataEvaluator:
    """Evaluates networks of an architecture on the training split of a task.

    BatchNorm layers use the statistics of the batch, since buffers are unknown.

    Args:
        component: name of the component that needs data, for the error.

    Raises:
        UnsupportedError: there is no task, or it has no data.
    """

    def __init__(self, architecture: Architecture, task: Task | None, component: str):
        if task is None or task.objective is None:
            what = "no task" if task is None else f"{task!r}, which has no data"
            raise UnsupportedError(f"{component} needs a task with data; got {what}")
        self.task, self.objective = task, task.objective
        self.networks = BatchedNetworks(by_batch(architecture.template))

    def state(self, weights: Tensor) -> dict[str, Tensor]:
        """``[N, P] -> {name: [N, *shape]}``, with the buffers of the template."""
        layout = self.networks.buffer_layout
        buffers = layout.flatten(dict(self.networks.module.named_buffers())).to(weights)
        return self.networks.tensors(weights, buffers.expand(len(weights), -1).clone())

    def loss(self, weights: Tensor, batch: Split) -> Tensor:
        """``[N, P] -> [N]``: mean loss of each network on a batch, differentiable."""
        outputs = self.networks.forward(self.state(weights), batch.x)
        return self.objective.loss(outputs, batch.y.expand(len(outputs), *batch.y.shape)).mean(-1)

    def batches(self, size: int, seed: int, like: Tensor) -> Iterator[Split]:
        """Shuffled batches, endlessly, in the dtype and on the device of ``like``."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            for batch in self.task.batches("train", size, generator):
                x = batch.x.to(like) if batch.x.is_floating_point() else batch.x.to(like.device)
                yield Split(x, batch.y.to(like.device))
