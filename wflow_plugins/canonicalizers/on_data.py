"""Running networks on training data where only their weights are known."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Split, Task
from wflow_core.networks.batched import BatchedNetworks
from wflow_plugins.batchnorm.batch_statistics import by_batch


class OnData:
    """Networks of an architecture on the training split of a task.

    BatchNorm layers take the statistics of the batch, since only weights are at hand.

    Raises:
        UnsupportedError: there is no task, or one without data.
    """

    def __init__(self, architecture: Architecture, task: Task | None, why: str):
        if task is None or task.objective is None:
            what = "no task" if task is None else f"{task!r}, which has no data"
            raise UnsupportedError(f"{why} needs a task with data; got {what}")
        self.task, self.objective = task, task.objective
        self.networks = BatchedNetworks(by_batch(architecture.template))

    def state(self, weights: Tensor) -> dict[str, Tensor]:
        """``[N, P] -> {name: [N, *shape]}`` with the module's own buffers."""
        layout = self.networks.buffer_layout
        own = layout.flatten(dict(self.networks.module.named_buffers())).to(weights)
        return self.networks.tensors(weights, own.expand(len(weights), -1).clone())

    def loss(self, weights: Tensor, batch: Split) -> Tensor:
        """``[N]``: the mean loss of each network on one batch, differentiable."""
        outputs = self.networks.forward(self.state(weights), batch.x)
        return self.objective.loss(outputs, batch.y.expand(len(outputs), *batch.y.shape)).mean(-1)

    def batches(self, size: int, seed: int, like: Tensor) -> Iterator[Split]:
        """Shuffled batches without end, in the type and on the device of ``like``."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            for batch in self.task.batches("train", size, generator):
                x = batch.x.to(like) if batch.x.is_floating_point() else batch.x.to(like.device)
                yield Split(x, batch.y.to(like.device))
