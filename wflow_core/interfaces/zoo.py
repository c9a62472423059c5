"""Where trained networks come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

from wflow_core.conditions import Record
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component, Report, silent
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet


class ZooSource(Component):
    """Collects the weight set that the flow learns from.

    A source that keeps initialisations offers ``initialisations``; one that can make further
    networks the same way offers ``retraining``.
    """

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.task = task
        self.architecture = architecture

    @property
    def fingerprint(self) -> str | None:
        """A hash of what the source reads from outside the spec; None where it reads nothing.

        Other files make another run.

        Raises:
            DataError: there is nothing to read.
        """
        return None

    def provenance(self) -> list[dict[str, Any]] | None:
        """What the networks of the last ``collect`` came from, one mapping of plain data a file.

        It is kept in the manifest of the zoo. None where the spec says it all.
        """
        return None

    @property
    def records(self) -> tuple[Record, ...]:
        """What the weight set says of each network beside its run and step, by ``records``.

        Known before anything is collected, so that specs are checked by it.

        Raises:
            DataError: what says so cannot be read.
        """
        return ()

    @abstractmethod
    def collect(self, generator: torch.Generator, report: Report = silent) -> WeightSet:
        """The trained networks, on the generator's device.

        Raises:
            DataError: networks cannot be had, or do not fit the architecture.
        """

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        """``n`` further final networks, made as the zoo was; where ``retraining`` is offered."""
        raise NotImplementedError(f"{type(self).__name__} does not offer retraining")


class StreamedZoo(ZooSource):
    """A source that also gives its networks a few at a time, so that not all need be in memory."""

    @abstractmethod
    def pieces(
        self, generator: torch.Generator, report: Report = silent, most: int | None = None
    ) -> Iterator[WeightSet]:
        """The networks of ``collect``, in its order.

        Args:
            most: bytes of what is read at once, at most; none: any number.

        Raises:
            DataError: as ``collect``, at the latest after the last networks.
        """
