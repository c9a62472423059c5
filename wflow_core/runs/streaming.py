"""What stages do with more networks than memory is to hold: they pass through it, piece by piece.

Shapes: N networks, P weights, D coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wflow_core.assembly.assembly import Assembly
from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.codec import Codec, StreamedCodec
from wflow_core.memory import SHARE, Memory, shown
from wflow_core.storage.column_writing import write_columns
from wflow_core.storage.row_writing import Gathering, RowWriter
from wflow_core.weights import WeightSet
from wflow_core.weights.pieces import AT_ONCE, columns_of, held_set, rows_at_once
from wflow_core.weights.stored import StoredWeights

CANONICAL = 9
"""Networks that moving one and proving it, in float64, takes the memory of."""


class Scratch:
    """Where a stage lets networks lie that memory is not to hold, until they are saved.

    Args:
        memory: none: everything is held.
        folder: made when it is needed; whoever gives it removes it.
    """

    def __init__(self, memory: Memory | None, folder: Path):
        self.memory, self.folder, self.used = memory, folder, 0

    def place(self) -> Path:
        """A folder that nothing has used."""
        self.used += 1
        return self.folder / str(self.used)

    def gather(self, pieces: Iterable[WeightSet]) -> WeightSet:
        """One weight set, in files where it is too large."""
        gathering = Gathering(self.memory, self.place())
        for piece in pieces:
            gathering.add(piece)
            del piece  # before the next is made
        return gathering.whole()

    def spill(self, networks: WeightSet) -> WeightSet:
        """The same in files, where it is in memory and too large."""
        w = networks.weights
        if stored(w) or self.memory is None or not self.large(len(w), w.shape[1], w.itemsize):
            return networks
        if w.nbytes > self.memory.budget:
            raise UnsupportedError(
                f"{len(networks)} networks take {shown(w.nbytes)}, which their source makes at "
                f"once, and --memory is {shown(self.memory.budget)}; lower their number, or give "
                "more"
            )
        return self.gather([networks])

    def large(self, rows: int, size: int, itemsize: int = 4) -> bool:
        return self.memory is not None and self.memory.large(rows, size, itemsize)

    def decoded(
        self,
        name: str,
        codec: Codec,
        z: Tensor,
        size: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """``[N, D] -> [N, P]``, in files; as ``codec.sample`` does where a generator is given."""
        assert self.memory is not None
        place = self.place()
        if isinstance(codec, StreamedCodec):
            blocks = codec.decode_columns(z, generator)
            files = write_columns(place, len(z), size, blocks, z.dtype, name=name)
        else:
            writer = RowWriter(place, name)
            most = max(1, self.memory.share // (AT_ONCE * size * z.itemsize))
            for piece in z.split(most):
                writer.add(codec.sample(piece, generator) if generator else codec.decode(piece))
            files = writer.finish()
        return StoredWeights.of(files, self.memory.share, name)


def stored(weights: Tensor) -> bool:
    """Whether weights lie in files because they are too large."""
    return isinstance(weights, StoredWeights) and weights.limit is not None


def refuse_memory(memory: Memory | None, a: Assembly, device: torch.device) -> None:
    """Before anything runs.

    Raises:
        UnsupportedError: the budget is too little for one network, or weights are not on the CPU.
    """
    if memory is None:
        return
    if device.type != "cpu":
        raise UnsupportedError(
            f"--memory is of weights in the CPU's memory; with --device {device} leave it out"
        )
    size = a.sampled.architecture.bound_symmetry.layout.size
    memory.refuse_small(size, CANONICAL if a.canonicalizers else SHARE)


def refuse_large(a: Assembly, weights: Tensor) -> None:
    """Before networks in files are canonicalized and encoded.

    Raises:
        UnsupportedError: a component of the assembly needs all of them in memory.
    """
    if not stored(weights):
        return
    size = f"{len(weights)} networks of {weights.shape[1]} weights"
    if not isinstance(a.codec, StreamedCodec):
        got = f"{a.codec!r} needs them all" if a.codec else "without a codec the flow does"
        raise UnsupportedError(
            f"{size} do not fit into --memory, and {got}; add `codec: pca`, or give "
            f"--memory at least {shown(SHARE * weights.numel() * weights.itemsize)}"
        )
    if a.guidance is not None or a.behavior is not None:
        what = "guidance" if a.guidance is not None else "train.behavior"
        raise UnsupportedError(
            f"{size} do not fit into --memory, and {what} decodes whole networks at every step; "
            "leave it out, or give more"
        )


def fit(codec: Codec, zoo: WeightSet) -> bool:
    """Fit a codec, and whether its state tells of the zoo, which it is then attached to."""
    if not stored(zoo.weights):
        codec.fit(zoo)
        return False
    assert isinstance(codec, StreamedCodec)  # else it was refused
    codec.fit_columns(columns_of(zoo.weights))
    return True


def encoded(codec: Codec, weights: Tensor) -> Tensor:
    """``[N, P] -> [N, D]``."""
    if stored(weights) and isinstance(codec, StreamedCodec):
        return codec.encode_columns(columns_of(weights))
    return codec.encode(weights)


def recalibrated(recalibrate: Callable[[WeightSet], WeightSet], networks: WeightSet) -> WeightSet:
    """Networks in files with the buffers that they get some at a time."""
    step = rows_at_once(networks.weights, len(networks))
    starts = range(0, len(networks), step)
    found = [recalibrate(held_set(networks[s : s + step])).buffers for s in starts]
    return replace(networks, buffers=torch.cat(found))
