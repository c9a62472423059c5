"""How tensors of artefacts lie on disk, and how much of them may be in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor


class TensorStorage(ABC):
    """Writes and reads the tensors of an artefact."""

    @abstractmethod
    def write(self, tensors: Mapping[str, Tensor], folder: Path) -> dict[str, dict[str, Any]]:
        """Write tensors to files of a folder, synced to disk.

        Returns:
            What a manifest says of each tensor: ``shape``, ``dtype``, and its file or ``files``.
        """

    @abstractmethod
    def read(self, entries: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Tensor]:
        """The tensors that ``write`` described by these entries.

        Raises:
            FileNotFoundError, DataError, SafetensorError: a file is missing or damaged.
        """

    @abstractmethod
    def stored(
        self,
        tensors: Mapping[str, Tensor],
        entries: Mapping[str, Mapping[str, Any]],
        folder: Path,
    ) -> dict[str, Tensor]:
        """Tensors that were just written, as ``read`` gives them, where possible without reading.

        Args:
            folder: where the files are now.
        """

    @abstractmethod
    def files(self, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Names of all files of the entries, in the order in which they are hashed."""
