"""Networks of which only the weights are known: BatchNorm normalises by the rows at hand.

Statistics that a module holds are of other weights; those of the rows at hand are the networks'
own, differentiable, and written nowhere.
"""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.networks.batched import BatchedNetworks


def norms_with_statistics(module: nn.Module) -> list[str]:
    """The names of the BatchNorm layers that keep running statistics."""
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    ]


def by_batch(module: nn.Module) -> nn.Module:
    """A copy, in evaluation but for its BatchNorm layers, which have no statistics to use."""
    module = copy.deepcopy(module).eval()
    for name in norms_with_statistics(module):
        layer = module.get_submodule(name)
        for buffer in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(layer, buffer, None)
    return module


def networks_by_batch(architecture: Architecture, rows: int | None = None) -> BatchedNetworks:
    """Networks by their weights alone; without BatchNorm, those of the architecture itself.

    Args:
        rows: that will be at hand at a time, where known.

    Raises:
        UnsupportedError: one row alone, which has no statistics.
    """
    if not norms_with_statistics(architecture.template):
        return architecture.batched
    if rows == 1:
        raise UnsupportedError(
            f"BatchNorm of {architecture!r} normalises by the rows at hand, and one alone has no "
            "statistics; take two rows at least"
        )
    return BatchedNetworks(by_batch(architecture.template))
