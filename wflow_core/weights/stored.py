"""Weights of more networks than memory is to hold: a tensor whose values lie in files.

Everything that takes weights may be given such a tensor. Shapes: N networks, P weights.
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
from wflow_core.memory import SHARE, shown
from wflow_core.weights.rows import Part, Rows

MADE_LIKE = ("new_zeros", "new_empty", "new_ones", "new_full")
"""What takes of a tensor its type and device alone."""


class OverLimitError(UnsupportedError):
    """More weights are wanted at once than memory is to hold."""


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Name who wanted too many weights at once."""
    try:
        yield
    except OverLimitError as error:
        raise UnsupportedError(f"{what}: {error}") from error


class StoredWeights(Tensor):
    """``[N, P]`` like any tensor, but read from files when its values are asked for.

    Some of its rows, by a slice or an index, stay in their files. What something is computed of is
    read into memory, as far as ``limit`` bytes go; the result is a plain tensor. No gradient goes
    through it. A temporary ``folder`` of its files stays as long as any such tensor of them.

    Raises:
        OverLimitError: more than ``limit`` bytes of weights are wanted at once.
    """

    parts: tuple[Part, ...]
    limit: int | None
    folder: Any = None
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, parts: Sequence[Part], limit: int | None = None) -> StoredWeights:
        of = parts[0].rows
        shape = (sum(part.stop - part.start for part in parts), of.size)
        made: StoredWeights = Tensor._make_wrapper_subclass(cls, shape, dtype=of.dtype)
        made.parts, made.limit = tuple(parts), limit
        return made

    @classmethod
    def of(
        cls, files: Sequence[Path], limit: int | None = None, name: str = "weights"
    ) -> StoredWeights:
        """The weights of files, one file after another; no limit: any number is read at once."""
        found = [Rows.of(path, name) for path in files]
        return cls([Part(rows, 0, rows.count) for rows in found], limit)

    @property
    def files(self) -> list[Path]:
        return [part.rows.path for part in self.parts]

    def held(self) -> Tensor:
        """``[N, P]`` in memory."""
        wanted = len(self) * self.shape[1] * self.dtype.itemsize
        if self.limit is not None and wanted > self.limit:
            raise OverLimitError(
                f"{len(self)} networks, {shown(wanted)}, are wanted at once, and --memory leaves "
                f"{shown(self.limit)} for that; leave out what looks at them together, or give "
                f"--memory at least {shown(SHARE * wanted)}"
            )
        out = torch.empty(self.shape, dtype=self.dtype)
        for part, rows in zip(self.parts, out.split(self._counts()), strict=True):
            part.rows.read(rows, part.start)
        return out

    def split(self, size: int, dim: int = 0) -> tuple[Tensor, ...]:  # type: ignore[override]
        assert dim == 0, "networks are split, not their weights"
        return tuple(self[start : start + size] for start in range(0, max(1, len(self)), size))

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, slice) and index.step in (None, 1):
            start, stop, _ = index.indices(len(self))
            return self._cut(start, max(start, stop))
        if isinstance(index, int):
            return self._cut(index % len(self), index % len(self) + 1).held()[0]
        if isinstance(index, Tensor):
            return self._chosen(index)
        return self.held()[index]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"StoredWeights({list(self.shape)}, {self.dtype}, {len(self.parts)} files)"

    def __deepcopy__(self, memo: Any) -> StoredWeights:
        return self

    def _counts(self) -> list[int]:
        return [part.stop - part.start for part in self.parts]

    def _cut(self, start: int, stop: int) -> StoredWeights:
        """Rows in their files still."""
        kept, at = [], 0
        for part in self.parts:
            a, b = max(start - at, 0) + part.start, min(stop - at + part.start, part.stop)
            at += part.stop - part.start
            if a < b:
                kept.append(Part(part.rows, a, b))
        return self._of(kept)

    def _of(self, parts: Sequence[Part]) -> StoredWeights:
        made = StoredWeights(parts or [Part(self.parts[0].rows, 0, 0)], self.limit)
        made.folder = self.folder
        return made

    def _chosen(self, index: Tensor) -> Tensor:
        """Rows in their files still; of an index of more than one dimension, in memory."""
        wanted = index.nonzero().squeeze(1) if index.dtype == torch.bool else index.flatten()
        parts = [self._cut(i % len(self), i % len(self) + 1).parts[0] for i in wanted.tolist()]
        found = self._of(parts)
        return found if index.ndim == 1 else found.held().unflatten(0, index.shape)

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
    return value.held() if isinstance(value, StoredWeights) else value


def _like(value: Any) -> Any:
    return torch.empty(0, dtype=value.dtype) if isinstance(value, StoredWeights) else value
