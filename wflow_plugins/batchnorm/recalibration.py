"""BatchNorm statistics of networks that nobody trained, measured on training data.

Statistics belong to the weights that they were measured with: networks that a flow made, or that
lie between others, need their own. Source: Izmailov et al. 2018 (arXiv 1803.05407), section 3.2;
between networks, Jordan et al. 2023 (arXiv 2211.08403).
Shapes: N networks, P weights, Q buffer entries, M training rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.errors import DataError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Task
from wflow_core.networks.batched import BatchedNetworks, without_weights
from wflow_core.seeds import stage_generator
from wflow_core.weights import WeightSet
from wflow_plugins.batchnorm.batch_statistics import norms_with_statistics


class RecalibrateOptions(Options):
    """BatchNorm statistics of networks that nobody trained: samples, baselines, midpoints."""

    rows: int = Field(2048, ge=2, description="training inputs that they are measured on, or all")
    batch_size: int = Field(256, ge=2, description="rows of a batch at least; batches are averaged")


DEFAULT = RecalibrateOptions()


class Recalibration:
    """``recalibration(networks) -> networks``: statistics of their own, on rows of a task.

    The rows are of the training split, and decided by the seed alone: samples, nulls and points
    between networks are all measured on the same. Where the architecture has no BatchNorm, the
    task no data, or options are None, networks come back as they are, and no data is read.

    Args:
        seed: of the choice of rows; in a run, the run's.
    """

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        options: RecalibrateOptions | None = DEFAULT,
        seed: int = 0,
    ):
        self.task, self.architecture, self.options, self.seed = task, architecture, options, seed

    def __call__(self, networks: WeightSet) -> WeightSet:
        if self.options is None or not self.acts:
            return networks
        return recalibrate(self.architecture, networks, self.rows, self.options.batch_size)

    @property
    def acts(self) -> bool:
        """Whether it changes anything."""
        wanted = self.options is not None and "data" in self.task.offers
        return wanted and bool(norms_with_statistics(self.architecture.template))

    @cached_property
    def rows(self) -> Tensor:
        """``[M, *inputs]``: training inputs in random order, all where there are fewer."""
        x, options = self.task.splits["train"].x, self.options or DEFAULT
        generator = stage_generator(self.seed, "recalibrate", torch.device("cpu"))
        return x[torch.randperm(len(x), generator=generator)[: options.rows].to(x.device)]


def recalibrate(
    architecture: Architecture, networks: WeightSet, inputs: Tensor, batch_size: int = 256
) -> WeightSet:
    """The networks with BatchNorm statistics of their own on training inputs; else as they were.

    Statistics are the plain average over batches, as torch's with ``momentum=None``; layers but
    BatchNorm compute as in evaluation, so that dropout adds no noise. Networks without BatchNorm
    come back unchanged.

    Args:
        inputs: ``[M, *inputs]`` of the training split, and of no other. Row i goes into batch i
            modulo their number, so that rows in the order of their classes do no harm.
        batch_size: rows of a batch at least, but for fewer inputs in all.

    Raises:
        DataError: inputs are not the architecture's, or fewer than two.
    """
    names = norms_with_statistics(architecture.template)
    if not names:
        return networks
    wanted, got = tuple(architecture.signature.inputs), tuple(inputs.shape)
    if got[1:] != wanted or got[0] < 2:
        raise DataError(
            f"recalibration wants at least two inputs of shape {list(wanted)}, from the training "
            f"split; got {list(got)}"
        )
    like = networks.weights if inputs.is_floating_point() else networks.weights.device
    inputs, run = inputs.to(like), BatchedNetworks(without_weights(architecture.template).eval())
    count = max(1, len(inputs) // batch_size)
    batches = [inputs[start::count] for start in range(count)]
    with torch.no_grad():
        size = run.chunk(batches[0])
        pieces = zip(networks.weights.split(size), networks.buffers.split(size), strict=True)
        buffers = torch.cat([_measured(run, names, w, b, batches) for w, b in pieces])
    return replace(networks, buffers=buffers)


def _measured(
    run: BatchedNetworks,
    names: Sequence[str],
    weights: Tensor,
    buffers: Tensor,
    batches: Sequence[Tensor],
) -> Tensor:
    """``[N, P]``, ``[N, Q] -> [N, Q]``: one pass, in which BatchNorm writes its buffers."""
    state = run.tensors(weights, buffers)
    layers = {name: run.module.get_submodule(name) for name in names}
    for name in run.buffer_layout.by_name:
        # Torch writes buffers in place, which vmap passes on to contiguous ones alone.
        state[name] = state[name].clone(memory_format=torch.contiguous_format)
        if name.rpartition(".")[0] in layers:
            state[name].zero_()
    calls: Counter[nn.Module] = Counter()

    def average(layer: nn.Module, inputs: Any) -> None:
        """The k-th batch that a layer sees counts 1 / k; a layer may be called more than once."""
        calls[layer] += 1
        layer.momentum = 1 / calls[layer]  # type: ignore[assignment]

    hooks = [layer.train().register_forward_pre_hook(average) for layer in layers.values()]
    for batch in batches:
        run.forward(state, batch)
    for hook in hooks:
        hook.remove()
    return run.buffer_layout.flatten(state)
