"""An option of ``wflow run``: a list of the artefacts that are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from torch import Tensor

from wflow_core.cli.run_options import RunOption
from wflow_core.storage.tensors import InMemory


class Ledger(InMemory):
    """Notes the name and the tensors of each artefact that it writes."""

    def __init__(self, file: Path):
        self.file = file

    def write(self, tensors: Mapping[str, Tensor], folder: Path) -> dict[str, dict[str, Any]]:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{folder.name.strip('.').removesuffix('.new')}: {', '.join(tensors)}\n")
        return super().write(tensors, folder)


LEDGER = RunOption(
    click.option("--ledger", metavar="FILE", help="List the artefacts that are written."),
    "ledger",
    lambda file, components, device: {"storage": Ledger(Path(file))},
)
