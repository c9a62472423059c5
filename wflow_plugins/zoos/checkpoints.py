"""A zoo of networks that were trained elsewhere, from the files of a folder."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options, Report, silent
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightLayout, WeightSet
from wflow_plugins.zoos.checkpoint_files import named_tensors
from wflow_plugins.zoos.state_fit import fit_state

PATTERNS = ("*.safetensors", "*.pt", "*.pth", "*.ckpt", "*.th")
SHOWN = 5
"""Files that one message tells of."""


@dataclass(frozen=True)
class Loaded:
    """The networks of one file, ``[n, P]`` and ``[n, Q]``, and what is noted of it."""

    weights: Tensor
    buffers: Tensor
    run: str | None
    step: int
    sha256: str
    tensors: dict[str, str]


class Checkpoints(ZooSource):
    """State dicts from the files of a folder; nothing that a file holds is run.

    A file is safetensors (by its name), or what ``torch.save`` wrote: a state dict, or one under
    ``state_dict``, ``model_state_dict`` or ``model``, as Lightning's; a prefix that all names
    share, such as ``module.``, is left out. Stacked tensors ``[N, *shape]``, as ``wflow sample``
    writes them, are N networks. All files are checked before the zoo is made.
    """

    _sources: list[dict[str, Any]] | None = None

    class Config(Options):
        folder: str = Field(description="folder of the files, from where wflow is started")
        pattern: str | None = Field(
            None,
            description=f"glob of the files in it; by default `{'`, `'.join(PATTERNS)}`",
        )
        naming: str | None = Field(
            None,
            description="regular expression of a whole file name without its ending, with the "
            "group `run` and perhaps `step`, such as `(?P<run>\\w+)-step(?P<step>\\d+)`; by "
            "default each network is a training run of its own",
        )

        @field_validator("pattern")
        @classmethod
        def _stays_inside(cls, pattern: str | None) -> str | None:
            parts = PurePosixPath(pattern).parts if pattern is not None else ("*",)
            if not parts or parts[0] == "/" or ".." in parts:
                raise ValueError("a glob of files inside the folder, such as *.pt or **/last.ckpt")
            return pattern

        @field_validator("naming")
        @classmethod
        def _names_a_run(cls, naming: str | None) -> str | None:
            try:
                groups = set(re.compile("(?P<run>)" if naming is None else naming).groupindex)
            except re.error as error:
                raise ValueError(f"no regular expression: {error}") from error
            if not {"run"} <= groups <= {"run", "step"}:
                raise ValueError(f"wants the group run and perhaps step, got {sorted(groups)}")
            return naming

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(f"{self._name(path)}\0{_sha256(_content(path))}\n".encode())
        return digest.hexdigest()

    def provenance(self) -> list[dict[str, Any]] | None:
        return self._sources

    def collect(self, generator: torch.Generator, report: Report = silent) -> WeightSet:
        files, loaded, problems = self._files(), {}, []
        for done, path in enumerate(files, start=1):
            try:
                loaded[self._name(path)] = self._load(path)
            except DataError as error:
                problems.append(f"  {self._name(path)}: {error}")
            report(done, len(files))
        if problems:
            shown, rest = problems[:SHOWN], len(problems) - SHOWN
            raise DataError(
                f"{self.config.folder}: {len(problems)} of {len(files)} files cannot be used\n"
                + "\n".join([*shown, f"  and {rest} more"] if rest > 0 else shown)
                + "\nmend or remove them, or choose others by zoo.pattern"
            )
        self._sources = _sources(loaded)
        return self._weight_set(list(loaded.values())).to(generator.device)

    def _weight_set(self, loaded: list[Loaded]) -> WeightSet:
        """All networks; files of one run share it, and without one each network is its own."""
        runs: dict[str | tuple[int, int], int] = {}
        run, step = [], []
        for file, one in enumerate(loaded):
            for row in range(len(one.weights)):
                run.append(runs.setdefault(one.run or (file, row), len(runs)))
                step.append(one.step)
        return WeightSet.of(
            self.architecture.module,
            torch.cat([one.weights for one in loaded]),
            torch.cat([one.buffers for one in loaded]),
            torch.tensor(run),
            torch.tensor(step),
        )

    def _files(self) -> list[Path]:
        folder, pattern = Path(self.config.folder).expanduser(), self.config.pattern
        patterns = PATTERNS if pattern is None else (pattern,)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; set zoo.folder to the one of the files")
        files = sorted({path for p in patterns for path in folder.glob(p)})
        if not files:
            raise DataError(
                f"{folder}: holds no file {' or '.join(patterns)}; set zoo.folder or zoo.pattern"
            )
        return files

    def _name(self, path: Path) -> str:
        return path.relative_to(Path(self.config.folder).expanduser()).as_posix()

    def _load(self, path: Path) -> Loaded:
        run, step = self._run_and_step(path)
        data = _content(path)
        tensors = named_tensors(data, path.suffix == ".safetensors")
        module = self.architecture.module
        layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
        notes = {name: f"{str(t.dtype)[6:]} {list(t.shape)}" for name, t in tensors.items()}
        return Loaded(*fit_state(tensors, *layouts, len(data)), run, step, _sha256(data), notes)

    def _run_and_step(self, path: Path) -> tuple[str | None, int]:
        if self.config.naming is None:
            return None, 0
        name = self._name(path).removesuffix(path.suffix)
        found = re.fullmatch(self.config.naming, name)
        groups = found.groupdict() if found else {}
        step = groups.get("step") or "0"
        if not groups.get("run") or not step.isdecimal() or int(step) >= 2**63:
            raise DataError(
                f"its name {name!r} gives no run, or no step that is a whole number, by zoo.naming "
                f"{self.config.naming!r}"
            )
        return groups["run"], int(step)


def _content(path: Path) -> bytes:
    """The bytes of a file, read once, so that what is hashed is what is used."""
    if not path.is_file():
        raise DataError(f"{path}: is no file")
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "larger than memory"
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sources(loaded: dict[str, Loaded]) -> list[dict[str, Any]]:
    """Of each file: its hash, which rows of the zoo came from it, and the tensors it held."""
    ends = accumulate(len(one.weights) for one in loaded.values())
    return [
        {
            "file": name,
            "sha256": one.sha256,
            "rows": [end - len(one.weights), end],
            "run": one.run,
            "step": one.step,
            "tensors": one.tensors,
        }
        for (name, one), end in zip(loaded.items(), ends, strict=True)
    ]
