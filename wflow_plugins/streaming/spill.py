"""A stage's folder for networks that do not fit into memory.

Shapes: N networks, P weights, D coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.stage import StageContext
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import COPIES, chunk_size, is_lazy, load_set
from wflow_plugins.streaming.codec import StreamedCodec
from wflow_plugins.streaming.column_writing import write_columns
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.memory import MemoryBudget, format_bytes
from wflow_plugins.streaming.row_writing import RowWriter, SpillingConcat


class SpillDir:
    """Where networks beyond the memory budget lie until they are stored.

    Args:
        budget: None: everything stays in memory.
        folder: created when needed; its owner removes it.
    """

    def __init__(self, budget: MemoryBudget | None, folder: Path):
        self.budget, self.folder, self.used = budget, folder, 0

    @classmethod
    def of(cls, context: StageContext) -> SpillDir:
        """The scratch folder of a stage, under the budget of its run."""
        return cls(budget_of(context.storage), context.scratch)

    def exceeds(self, rows: int, size: int, itemsize: int = 4) -> bool:
        return self.budget is not None and self.budget.exceeds(rows, size, itemsize)

    def concat(self, chunks: Iterable[WeightSet]) -> WeightSet:
        """One weight set, in files where it is too large."""
        gathered = SpillingConcat(self.budget, self._fresh())
        for chunk in chunks:
            gathered.add(chunk)
            del chunk  # before the next is made
        return gathered.whole()

    def spill(self, networks: WeightSet) -> WeightSet:
        """The same in files, where it is in memory and too large.

        Raises:
            UnsupportedError: it takes more than the whole budget already.
        """
        w = networks.weights
        if is_lazy(w) or self.budget is None or not self.exceeds(len(w), w.shape[1], w.itemsize):
            return networks
        if w.nbytes > self.budget.budget:
            raise UnsupportedError(
                f"{len(networks)} networks take {format_bytes(w.nbytes)}, which their source makes "
                f"at once, and --memory is {format_bytes(self.budget.budget)}; lower their number, "
                "or give more memory"
            )
        return self.concat([networks])

    def decode(
        self,
        name: str,
        codec: Codec,
        z: Tensor,
        size: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """``[N, D] -> [N, P]``, in files; stochastic where a generator is given."""
        assert self.budget is not None
        folder = self._fresh()
        if isinstance(codec, StreamedCodec):
            blocks = codec.decode_columns(z, generator)
            files = write_columns(folder, len(z), size, blocks, z.dtype, name=name)
        else:
            writer = RowWriter(folder, name)
            most = max(1, self.budget.per_set_limit // (COPIES * size * z.itemsize))
            for chunk in z.split(most):
                decoded = codec.decode_stochastic(chunk, generator) if generator else None
                writer.add(codec.decode(chunk) if decoded is None else decoded)
            files = writer.finish()
        return LazyWeights.of(files, self.budget.per_set_limit, name)

    def _fresh(self) -> Path:
        """A folder that nothing has used."""
        self.used += 1
        return self.folder / str(self.used)


def budget_of(storage: TensorStorage) -> MemoryBudget | None:
    """The memory budget of a run, where it has one."""
    budget: MemoryBudget | None = getattr(storage, "budget", None)
    return budget


def with_buffers_of(
    recalibrate: Callable[[WeightSet], WeightSet], networks: WeightSet
) -> WeightSet:
    """Networks in files with the buffers that they get in chunks."""
    step = chunk_size(networks.weights, len(networks))
    starts = range(0, len(networks), step)
    buffers = [recalibrate(load_set(networks[s : s + step])).buffers for s in starts]
    return replace(networks, buffers=torch.cat(buffers))
