"""Guidance by the gradient of the task's loss."""

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

MAX_ENTRIES = 2**24
"""Limit of the entries of inputs times networks that are evaluated at once."""

MIN_BATCH_ROWS = 64
"""Minimum number of rows for BatchNorm's statistics, where there are as many."""

HASH_FACTOR = 2_654_435_761
"""Factor of Knuth's multiplicative hash, which separates neighbouring times."""


class TaskLoss(Guidance):
    """Minus the gradient of each network's mean loss on training data, with respect to its point.

    The data is the training split or a subset of it: a fixed one for all networks, steps and runs,
    or another one at each time, determined by the time alone, so that the field stays a function of
    point and time. Early points are noise with an uninformative loss, so a late start is advisable.
    BatchNorm uses the statistics of the rows, since points have none.

    ``task`` selects another task than the run's.

    Source: classifier guidance, Dhariwal & Nichol 2021 (arXiv 2105.05233), section 4, with the loss
    as negative log-probability.
    """

    class Config(Options):
        strength: float = Field(
            1.0, description="factor of the gradient; positive reduces the loss, 0 is no guidance"
        )
        batch_size: int | None = Field(
            None, ge=1, description="training rows of the subset; by default the entire split"
        )
        resample: bool = Field(
            False, description="another subset at each time, instead of a fixed one"
        )
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
        self._shuffled_on: dict[tuple[torch.device, torch.dtype], Split] = {}

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        o = self.config
        inside = (t >= o.start) & (t <= o.stop)
        # On other devices than the CPU, a branch on the time would wait for the device.
        if not o.strength or (t.device.type == "cpu" and not inside):
            return torch.zeros_like(x)
        return torch.where(inside, -o.strength * self._gradient(x.detach(), t), 0.0)

    @torch.enable_grad()
    def _gradient(self, x: Tensor, t: Tensor) -> Tensor:
        """``[B, D]``: gradient of each network's mean loss, in chunks of training rows."""
        data = self._data_at(x, t)
        rows = max(1, MAX_ENTRIES // max(1, len(x) * data.x[0].numel()))
        point, total = x.requires_grad_(), torch.zeros_like(x)
        for chunk in self._chunks(data, rows):
            outputs = self._networks(self.decode(point), chunk.x)
            # A sum over networks gives each the gradient of its own loss.
            loss = self._objective.loss(outputs, chunk.y).sum() / len(data)
            total += torch.autograd.grad(loss, point)[0]
        return total

    def _chunks(self, data: Split, rows: int) -> Iterator[Split]:
        """Chunks of about ``rows`` rows.

        Where BatchNorm uses their statistics, they are interleaved: rows may be sorted by class.
        """
        if self._networks is self.architecture.batched:
            yield from map(Split, data.x.split(rows), data.y.split(rows))
            return
        count = max(1, len(data) // max(MIN_BATCH_ROWS, rows))
        for first in range(count):
            yield Split(data.x[first::count], data.y[first::count])

    def _data_at(self, x: Tensor, t: Tensor) -> Split:
        """The training rows at a time, on the device and in the dtype of the points."""
        data, size = self._shuffled_like(x), self.config.batch_size
        if size is None or size >= len(data):
            return data
        if not self.config.resample:
            return Split(data.x[:size], data.y[:size])
        # A window of the shuffled rows whose start depends on the time; random numbers would make
        # the device wait.
        hashed = (t.double() * 2**20).round().long() * HASH_FACTOR % 2**32
        start = hashed * len(data) // 2**32
        index = (start + torch.arange(size, device=x.device)) % len(data)
        return Split(data.x[index], data.y[index])

    def _shuffled_like(self, x: Tensor) -> Split:
        """The shuffled training rows on the device and in the dtype of x, cached."""
        key = (x.device, x.dtype)
        if key not in self._shuffled_on:
            data = self._shuffled.to(x.device)
            inputs = data.x.to(x.dtype) if data.x.is_floating_point() else data.x
            self._shuffled_on[key] = Split(inputs, data.y)
        return self._shuffled_on[key]

    @cached_property
    def _shuffled(self) -> Split:
        """The training rows, shuffled if subsets are used."""
        data = self.task.splits["train"]
        if self.config.batch_size is None:
            return data
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        return Split(data.x[order], data.y[order])

    @property
    def _objective(self) -> Objective:
        if self.task.objective is None:
            raise UnsupportedError(f"guidance task_loss: {self.task!r} has no loss")
        return self.task.objective
