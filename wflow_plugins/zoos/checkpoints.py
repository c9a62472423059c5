"""A zoo of externally trained networks, from a folder of checkpoint files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import torch
from pydantic import Field, field_validator

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options, ProgressCallback, no_progress
from wflow_core.interfaces.zoo import Covariate
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat
from wflow_plugins.streaming.zoo import StreamedZoo
from wflow_plugins.zoos.checkpoint import Checkpoint, hash_file, read_checkpoint
from wflow_plugins.zoos.metadata_table import MetadataTable, read_metadata

PATTERNS = ("*.safetensors", "*.pt", "*.pth", "*.ckpt", "*.th")
MAX_MESSAGES = 5
"""Maximum number of files in an error message."""


class Checkpoints(StreamedZoo):
    """State dicts from the files of a folder, without running code in the files.

    A file is safetensors (by its suffix) or from ``torch.save``: a state dict, or one under the key
    ``state_dict`` (as Lightning's), ``model_state_dict`` or ``model``. A common prefix of all
    names, such as ``module.``, is removed. Stacked tensors ``[N, *shape]``, as ``wflow sample``
    writes them, are N networks. All files are checked before the zoo is created.
    """

    _sources: list[dict[str, Any]] | None = None

    class Config(Options):
        folder: str = Field(description="folder of the files, relative to the working directory")
        pattern: str | None = Field(
            None,
            description=f"glob of the files in the folder; by default `{'`, `'.join(PATTERNS)}`",
        )
        name_pattern: str | None = Field(
            None,
            description="regular expression of the entire file name without suffix, with the group "
            "`run` and optionally `step`, such as `(?P<run>\\w+)-step(?P<step>\\d+)`; by default "
            "each network is a training run of its own",
        )
        metadata: str | None = Field(
            None,
            description="CSV or JSON table in the folder: the column `file`, and a column for each "
            "covariate; also `row`, from 0, where a file contains several networks",
        )
        categories: tuple[str, ...] = Field(
            (), description="covariates with numeric values that are categories"
        )
        renamed: ClassVar[Mapping[str, str]] = {"naming": "name_pattern", "records": "metadata"}

        @field_validator("pattern")
        @classmethod
        def _stays_inside(cls, pattern: str | None) -> str | None:
            parts = PurePosixPath(pattern).parts if pattern is not None else ("*",)
            if not parts or parts[0] == "/" or ".." in parts:
                raise ValueError("must be a glob inside the folder, such as *.pt or **/last.ckpt")
            return pattern

        @field_validator("name_pattern")
        @classmethod
        def _names_a_run(cls, name_pattern: str | None) -> str | None:
            try:
                groups = set(
                    re.compile("(?P<run>)" if name_pattern is None else name_pattern).groupindex
                )
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            if not {"run"} <= groups <= {"run", "step"}:
                raise ValueError(f"needs the group run and optionally step, got {sorted(groups)}")
            return name_pattern

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to read; the fingerprint is cached while none of them changes."""
        return (*self._files(), *([self._table.path] if self._table else []))

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(f"{self._name(path)}\0{hash_file(path)}\n".encode())
        if self._table:
            digest.update(hash_file(self._table.path).encode())
        return digest.hexdigest()

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        return self._table.covariates if self._table else ()

    @cached_property
    def _table(self) -> MetadataTable | None:
        folder, name = Path(self.config.folder).expanduser(), self.config.metadata
        return read_metadata(folder / name, self.config.categories) if name else None

    def provenance(self) -> list[dict[str, Any]] | None:
        return self._sources

    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        return concat(self.iter_chunks(generator, progress))

    def iter_chunks(
        self,
        generator: torch.Generator,
        progress: ProgressCallback = no_progress,
        max_bytes: int | None = None,
    ) -> Iterator[WeightSet]:
        files, problems = self._files(), []
        if self._table:
            self._table.check_all_used([self._name(path) for path in files])
        runs: dict[str | tuple[int, int], int] = {}
        sources: list[dict[str, Any]] = []
        ignored: dict[str, int] = {}  # reported if there are any
        for number, path in enumerate(files):
            try:
                checkpoint = read_checkpoint(
                    path, self._name(path), self.architecture, self.config.name_pattern, max_bytes
                )
                networks = self._weight_set(checkpoint, number, runs)
                networks = self._with_covariates(checkpoint.name, networks)
            except DataError as error:
                problems.append(f"  {self._name(path)}: {error}")
            else:
                sources.append(checkpoint.provenance_entry(sources))
                if checkpoint.ignored:
                    ignored = {"ignored_tensors": len(checkpoint.ignored)}
                yield networks.to(generator.device)
            progress(number + 1, len(files), **ignored)
        if problems:
            first, more = problems[:MAX_MESSAGES], len(problems) - MAX_MESSAGES
            raise DataError(
                f"{self.config.folder}: {len(problems)} of {len(files)} files cannot be used\n"
                + "\n".join([*first, f"  and {more} more"] if more > 0 else first)
                + "\nfix or remove them, or select others by zoo.pattern"
            )
        self._sources = sources

    def _weight_set(
        self, checkpoint: Checkpoint, file: int, runs: dict[str | tuple[int, int], int]
    ) -> WeightSet:
        """The networks of a file; without a run in the name, each is a run of its own."""
        rows = range(len(checkpoint.weights))
        keys = [checkpoint.run or (file, row) for row in rows]
        run = torch.tensor([runs.setdefault(key, len(runs)) for key in keys])
        step = torch.full_like(run, checkpoint.step)
        return WeightSet.from_module(
            self.architecture.template, checkpoint.weights, checkpoint.buffers, run, step
        )

    def _with_covariates(self, name: str, networks: WeightSet) -> WeightSet:
        """The networks with the covariates of their file, if there is a table."""
        if self._table is None:
            return networks
        categories = {c.name: c.categories for c in self.covariates if c.categories is not None}
        covariates = self._table.covariates_of(name, len(networks))
        return replace(networks, covariates=covariates, categories=categories)

    def _files(self) -> list[Path]:
        folder, pattern = Path(self.config.folder).expanduser(), self.config.pattern
        patterns = PATTERNS if pattern is None else (pattern,)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; set zoo.folder to the folder of the files")
        files = sorted({path for p in patterns for path in folder.glob(p)})
        if not files:
            raise DataError(
                f"{folder}: contains no file {' or '.join(patterns)}; set zoo.folder or zoo.pattern"
            )
        return files

    def _name(self, path: Path) -> str:
        return path.relative_to(Path(self.config.folder).expanduser()).as_posix()
