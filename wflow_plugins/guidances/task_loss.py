"""Down the loss of the task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.objective import Objective
from wflow_core.interfaces.task import Split, Task
from wflow_plugins.batchnorm.batch_statistics import networks_by_batch

ENTRIES = 2**24
"""Entries of inputs times networks whose activations are held at once."""

LEAST = 64
"""Rows at least that BatchNorm normalises by, where there are so many."""

HASH = 2_654_435_761
"""Knuth's multiplicative hash, which scatters neighbouring times."""


class TaskLoss(Guidance):
    """Minus the gradient of each network's mean loss on training data, with respect to its point.

    The data is the training split, or a subset of it: drawn once and the same for every network,
    step and run, or another at each time, decided by the time alone, so that the field stays a
    function of point and time. Early points are noise, whose loss says little: start the window
    late. BatchNorm normalises by the rows at hand, for points have no statistics.

    Another task than the run's may be given by ``task``.

    Source: gradient guidance as of classifiers, Dhariwal & Nichol 2021 (arXiv 2105.05233), section
    4, with the loss for the negative log-probability.
    """

    class Config(Options):
        strength: float = Field(
            1.0, description="factor of the gradient; positive moves down the loss, 0 does nothing"
        )
        batch_size: int | None = Field(
            None, ge=1, description="training rows of the subset; the whole split by default"
        )
        resample: bool = Field(False, description="another subset at each time, not one for all")
        start: float = Field(0.0, ge=0, le=1, description="time at which the drift begins")
        stop: float = Field(1.0, ge=0, le=1, description="time at which the drift ends")
        renamed: ClassVar[Mapping[str, str]] = {"fresh": "resample"}

        @model_validator(mode="after")
        def _window_in_order(self) -> Self:
            if self.start > self.stop:
                raise ValueError(f"start {self.start} lies after stop {self.stop}; swap them")
            return self

    needs = frozenset({DATA})

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        decode: Callable[[Tensor], Tensor],
        **options: Any,
    ):
        super().__init__(task, architecture, decode, **options)
        self._networks = networks_by_batch(architecture, self.config.batch_size)
        self._moved: dict[tuple[torch.device, torch.dtype], Split] = {}

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        o = self.config
        inside = (t >= o.start) & (t <= o.stop)
        # Elsewhere than on the CPU, asking whether the time is inside would wait for the device.
        if not o.strength or (t.device.type == "cpu" and not inside):
            return torch.zeros_like(x)
        return torch.where(inside, -o.strength * self._gradient(x.detach(), t), 0.0)

    @torch.enable_grad()
    def _gradient(self, x: Tensor, t: Tensor) -> Tensor:
        """``[B, D]``: of each network's mean loss, in chunks of training rows."""
        data = self._data_for(x, t)
        rows = max(1, ENTRIES // max(1, len(x) * data.x[0].numel()))
        point, total = x.requires_grad_(), torch.zeros_like(x)
        for chunk in self._chunks(data, rows):
            outputs = self._networks(self.decode(point), chunk.x)
            # A sum over networks, so that none scales or bends another's gradient.
            loss = self._objective.loss(outputs, chunk.y).sum() / len(data)
            total += torch.autograd.grad(loss, point)[0]
        return total

    def _chunks(self, data: Split, rows: int) -> Iterator[Split]:
        """So many rows at a time; where BatchNorm mixes them, about so many out of all, for rows
        may be in the order of their classes."""
        if self._networks is self.architecture.batched:
            yield from map(Split, data.x.split(rows), data.y.split(rows))
            return
        count = max(1, len(data) // max(LEAST, rows))
        for first in range(count):
            yield Split(data.x[first::count], data.y[first::count])

    def _data_for(self, x: Tensor, t: Tensor) -> Split:
        """The rows at a time, on the device of the points and in their precision."""
        data, size = self._shuffled_for(x), self.config.batch_size
        if size is None or size >= len(data):
            return data
        if not self.config.resample:
            return Split(data.x[:size], data.y[:size])
        # A window of the shuffled rows that begins elsewhere at each time; no draw, which would
        # make the device wait.
        mixed = (t.double() * 2**20).round().long() * HASH % 2**32
        start = mixed * len(data) // 2**32
        index = (start + torch.arange(size, device=x.device)) % len(data)
        return Split(data.x[index], data.y[index])

    def _shuffled_for(self, x: Tensor) -> Split:
        """The training rows where the points are, moved once."""
        key = (x.device, x.dtype)
        if key not in self._moved:
            data = self._shuffled.to(x.device)
            inputs = data.x.to(x.dtype) if data.x.is_floating_point() else data.x
            self._moved[key] = Split(inputs, data.y)
        return self._moved[key]

    @cached_property
    def _shuffled(self) -> Split:
        """The training rows, in an order of their own where subsets are taken."""
        data = self.task.splits["train"]
        if self.config.batch_size is None:
            return data
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        return Split(data.x[order], data.y[order])

    @property
    def _objective(self) -> Objective:
        if self.task.objective is None:
            raise UnsupportedError(f"guidance task_loss: {self.task!r} has no loss to go down")
        return self.task.objective
