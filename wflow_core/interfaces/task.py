"""What networks are trained and judged on."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.objective import Objective


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a network.

    Attributes:
        inputs: shape of one input, without batch.
        outputs: number of outputs C (classes, or regression targets).
        vocabulary: inputs ``[L]`` are token ids (int64) below this number, where 0 is padding;
            None: inputs are values (float32).
    """

    inputs: tuple[int, ...]
    outputs: int
    vocabulary: int | None = None

    def __str__(self) -> str:
        tokens = "" if self.vocabulary is None else f" of {self.vocabulary} tokens"
        return f"inputs {list(self.inputs)}{tokens} and {self.outputs} outputs"

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n, *inputs]`` random inputs: standard Gaussian values, or tokens but for padding."""
        shape, device = (n, *self.inputs), generator.device
        if self.vocabulary is None:
            return torch.randn(shape, generator=generator, device=device)
        return torch.randint(1, self.vocabulary, shape, generator=generator, device=device)


@dataclass(frozen=True)
class Split:
    """Inputs ``[M, *inputs]`` and targets ``[M]`` (classes) or ``[M, C]``."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> Split:
        return Split(self.x.to(device), self.y.to(device))


class Task(Component):
    """Data in three splits, a loss and a score.

    Shapes: B batch, C outputs; leading axes ``...`` range over networks.

    Attributes:
        objective: the loss, the scores, and how predictions of several networks are averaged;
            None for a task without data. An instance may set its own, by its options.
    """

    objective: Objective | None = None
    offers = frozenset({DATA})

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """Inputs and outputs of a network for this task."""

    @abstractmethod
    def load(self) -> Mapping[str, Split]:
        """The splits ``train``, ``val`` and ``test``, disjoint and seeded.

        Inputs are float32, or int64 where the signature has a vocabulary.

        Preprocessing is fitted on ``train`` alone.

        Raises:
            DataError: the data is absent or damaged.
        """

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the data is read from, if any. While none of them changes, the data is
        not read again to see whether it has."""
        return ()

    def locate(self) -> str:
        """Where the data is, in a few words, without reading or downloading it.

        Raises:
            DataError: it is not there; says where it was looked for.
        """
        return "comes with its package" if DATA in self.offers else "needs none"

    @cached_property
    def splits(self) -> Mapping[str, Split]:
        """The splits, loaded once."""
        return self.load()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the splits."""
        digest = hashlib.sha256()
        for name, split in self.splits.items():
            digest.update(f"{name} {tuple(split.x.shape)} {tuple(split.y.shape)}".encode())
            for tensor in (split.x, split.y):
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def batches(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> Iterator[Split]:
        """Batches of one pass over a split, shuffled where a generator is given."""
        data = self.splits[split]
        order = torch.arange(len(data))
        if generator is not None:
            order = torch.randperm(len(data), generator=generator, device=generator.device)
        for index in torch.split(order.to(data.x.device), batch_size):
            yield Split(data.x[index], data.y[index])
