"""Where trained networks come from."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component, ProgressCallback, no_progress
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class Covariate:
    """A property of each network of a zoo, such as its loss.

    Attributes:
        categories: names of its values; None for numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None


class ZooSource(Component):
    """Collects the weight set that the flow is trained on.

    A source that keeps initialisations offers ``initialisations``; one that can train further
    networks the same way offers ``retraining``.
    """

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.task = task
        self.architecture = architecture

    def provenance(self) -> list[dict[str, Any]] | None:
        """Plain data about each file that ``collect`` last read, kept in the manifest of the zoo.

        None where the spec already determines the zoo.
        """
        return None

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """The covariates of the weight set, known before it is collected.

        Raises:
            DataError: a file that lists them cannot be read.
        """
        return ()

    @abstractmethod
    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        """The trained networks, on the generator's device.

        Raises:
            DataError: networks cannot be had, or do not fit the architecture.
        """

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        """``n`` further final networks of the same procedure, where ``retraining`` is offered."""
        raise NotImplementedError(f"{type(self).__name__} does not offer retraining")
