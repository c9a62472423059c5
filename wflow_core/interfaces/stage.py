"""One step of the pipeline: from named artefacts to one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component, ProgressCallback
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.interfaces.trained_flow import TrainedFlow


@dataclass(frozen=True)
class Artefact:
    """The stored result of a stage: named tensors, plain data, a hash of both, and its cost.

    Attributes:
        sha256: of the tensors and the data; it identifies the artefact.
        seconds: that the stage took.
    """

    tensors: dict[str, Tensor]
    data: dict[str, Any]
    sha256: str
    seconds: float = 0.0


@dataclass(frozen=True)
class StageOutput:
    """What a stage makes.

    Attributes:
        data: plain data, stored as JSON.
        metrics: numbers for ``metrics.json``, nested by name.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageContext:
    """What a stage works with.

    Attributes:
        components: of the spec, as earlier stages left them.
        inputs: artefacts, by the names that the stage gives them in ``inputs``.
        generator: seeded for this stage, on the device of the run.
        progress: reports to the hooks.
        checkpoint: what ``save`` kept before the run was interrupted; None at the start.
        save: keeps tensors and plain data, for a stage that takes long to resume from.
        storage: how tensors are stored, and what may be in memory.
        scratch: a folder for files until the stage ends; the stage creates it.
    """

    components: Components
    inputs: Mapping[str, Artefact]
    generator: torch.Generator
    progress: ProgressCallback
    checkpoint: Artefact | None
    save: Callable[[Mapping[str, Tensor], Mapping[str, Any]], object]
    storage: TensorStorage
    scratch: Path

    @property
    def device(self) -> torch.device:
        return self.generator.device


@dataclass(frozen=True)
class FinishedRun:
    """The artefacts of a run folder, and the components that made them.

    Attributes:
        components: as the stages left them, such as with a fitted codec.
        artefact: reads an artefact, named as in ``Stage.inputs``.
        device: that networks are loaded to.
        storage: how tensors are stored, and what may be in memory.
    """

    components: Components
    artefact: Callable[[str], Artefact]
    device: torch.device
    storage: TensorStorage
    folder: Path


class Stage(Component):
    """Maps artefacts to an artefact; its options are the section of the spec under its name.

    The driver gives it a key made of its name, its seed, the parts of the spec in ``fields`` with
    the plugins and fingerprints of the components in them, and the hashes of its inputs. A stage
    whose key is that of a finished artefact does not run again.

    Attributes:
        output: name of the artefact, and of its folder.
        replaces: an artefact that later stages no longer get: where they ask for it, they get this
            output.
        fields: fields of the spec that decide the result, beside the stage's own section.
    """

    output: ClassVar[str]
    replaces: ClassVar[str | None] = None
    fields: ClassVar[tuple[str, ...]] = ()

    def is_active(self, components: Components) -> bool:
        """Whether the spec needs this stage; one that is not active is skipped."""
        return True

    def inputs(self, components: Components) -> Mapping[str, str]:
        """Name of an input -> the artefact that it is: the latest of this name, or, as
        ``name@stage``, the output of one stage. Artefacts that no stage made are left out."""
        return {}

    def reads(self, components: Components) -> Iterable[Component]:
        """Components beside those in ``fields`` whose data or files the stage reads."""
        return ()

    def context(self, scope: Mapping[str, Any]) -> Mapping[str, Any]:
        """Named objects that components built after it are given, such as caches.

        Args:
            scope: those that are there already: components by kind.
        """
        return {}

    @abstractmethod
    def run(self, context: StageContext) -> StageOutput:
        """Make the artefact."""

    def apply(
        self,
        components: Components,
        output: Artefact,
        inputs: Callable[[str], Artefact],
        device: torch.device,
    ) -> Components:
        """The components for later stages, such as with a codec that this stage has fitted.

        Args:
            inputs: reads an input of the stage by its name.
        """
        return components

    def summary(self, components: Components, metrics: Mapping[str, Any]) -> Any:
        """What to print after a run, for rich: a table or a text; None for nothing."""
        return None

    def open(self, run: FinishedRun) -> TrainedFlow | None:
        """The trained flow of a finished run, where this stage trains one."""
        return None
