"""Weights in files: a tensor whose values are read when they are used.

Shapes: N networks, P weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from wflow_core.errors import UnsupportedError
from wflow_plugins.streaming.memory import BUDGET_FRACTION, format_bytes
from wflow_plugins.streaming.rows import SafetensorsRows, Segment

MADE_LIKE = ("new_zeros", "new_empty", "new_ones", "new_full")
"""Operations that use only the type and device of a tensor."""


class MemoryLimitError(UnsupportedError):
    """More weights are requested at once than fit into the memory budget."""


@contextmanager
def name_requester(what: str) -> Iterator[None]:
    """Name what requested too many weights at once."""
    try:
        yield
    except MemoryLimitError as error:
        raise UnsupportedError(f"{what}: {error}") from error


class LazyWeights(Tensor):
    """``[N, P]``, read from files when it is used in a computation, whose result is in memory.

    A slice or a selection of rows stays in the files. No gradient flows through it. Such a tensor
    keeps a temporary ``folder`` of its files from being removed.

    Raises:
        MemoryLimitError: more than ``load_limit`` bytes of weights are requested at once.
    """

    segments: tuple[Segment, ...]
    load_limit: int | None
    folder: Any = None
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, segments: Sequence[Segment], load_limit: int | None = None) -> LazyWeights:
        of = segments[0].rows
        shape = (sum(segment.stop - segment.start for segment in segments), of.size)
        made: LazyWeights = Tensor._make_wrapper_subclass(cls, shape, dtype=of.dtype)
        made.segments, made.load_limit = tuple(segments), load_limit
        return made

    @classmethod
    def of(
        cls, files: Sequence[Path], load_limit: int | None = None, name: str = "weights"
    ) -> LazyWeights:
        """The weights of files, one after another; without a limit, all may be loaded at once."""
        found = [SafetensorsRows.of(path, name) for path in files]
        return cls([Segment(rows, 0, rows.rows) for rows in found], load_limit)

    @property
    def files(self) -> list[Path]:
        return [segment.rows.path for segment in self.segments]

    def load(self) -> Tensor:
        """``[N, P]`` in memory."""
        size = len(self) * self.shape[1] * self.dtype.itemsize
        if self.load_limit is not None and size > self.load_limit:
            raise MemoryLimitError(
                f"requested {len(self)} networks ({format_bytes(size)}), but the limit of a weight "
                f"set is {format_bytes(self.load_limit)}; leave out what compares all networks, or "
                f"give --memory at least {format_bytes(BUDGET_FRACTION * size)}"
            )
        out = torch.empty(self.shape, dtype=self.dtype)
        for segment, rows in zip(self.segments, out.split(self._counts()), strict=True):
            segment.rows.read(rows, segment.start)
        return out

    def split(self, size: int, dim: int = 0) -> tuple[Tensor, ...]:  # type: ignore[override]
        assert dim == 0, "networks are split, not their weights"
        return tuple(self[start : start + size] for start in range(0, max(1, len(self)), size))

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, slice) and index.step in (None, 1):
            start, stop, _ = index.indices(len(self))
            return self._cut(start, max(start, stop))
        if isinstance(index, int):
            return self._cut(index % len(self), index % len(self) + 1).load()[0]
        if isinstance(index, Tensor):
            return self._chosen(index)
        return self.load()[index]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"LazyWeights({list(self.shape)}, {self.dtype}, {len(self.segments)} files)"

    def __deepcopy__(self, memo: Any) -> LazyWeights:
        return self

    def _counts(self) -> list[int]:
        return [segment.stop - segment.start for segment in self.segments]

    def _cut(self, start: int, stop: int) -> LazyWeights:
        """Rows that stay in their files."""
        kept, at = [], 0
        for segment in self.segments:
            a, b = max(start - at, 0) + segment.start, min(stop - at + segment.start, segment.stop)
            at += segment.stop - segment.start
            if a < b:
                kept.append(Segment(segment.rows, a, b))
        return self._of(kept)

    def _of(self, segments: Sequence[Segment]) -> LazyWeights:
        made = LazyWeights(segments or [Segment(self.segments[0].rows, 0, 0)], self.load_limit)
        made.folder = self.folder
        return made

    def _chosen(self, index: Tensor) -> Tensor:
        """Rows that stay in their files; for an index of more than one dimension, in memory."""
        wanted = index.nonzero().squeeze(1) if index.dtype == torch.bool else index.flatten()
        segments = [
            self._cut(i % len(self), i % len(self) + 1).segments[0] for i in wanted.tolist()
        ]
        found = self._of(segments)
        return found if index.ndim == 1 else found.load().unflatten(0, index.shape)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in ("detach", "alias"):
            return args[0]
        make = _like if name in MADE_LIKE else _read
        return func(*tree_map(make, args), **tree_map(make, kwargs or {}))


def _read(value: Any) -> Any:
    return value.load() if isinstance(value, LazyWeights) else value


def _like(value: Any) -> Any:
    return torch.empty(0, dtype=value.dtype) if isinstance(value, LazyWeights) else value
