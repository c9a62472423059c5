"""One checkpoint file: its networks and its provenance.

Shapes: n networks of the file, P weights, Q buffer entries.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.weights import WeightLayout
from wflow_plugins.streaming.memory import format_bytes
from wflow_plugins.zoos.checkpoint_files import load_tensors
from wflow_plugins.zoos.state_dict_matching import map_names, match_state_dict


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file.

    Attributes:
        weights, buffers: ``[n, P]`` and ``[n, Q]``.
        run, step: training run and step from the file name; run is None without a name pattern.
        tensors: dtype and shape of each tensor in the file, by name.
        ignored: names of the tensors that the architecture ignores.
    """

    name: str
    weights: Tensor
    buffers: Tensor
    run: str | None
    step: int
    sha256: str
    tensors: dict[str, str]
    ignored: list[str]

    def provenance_entry(self, previous: list[dict[str, Any]]) -> dict[str, Any]:
        """The provenance of the file, with its rows of the zoo, after ``previous`` files."""
        start = previous[-1]["rows"][1] if previous else 0
        return {
            "file": self.name,
            "sha256": self.sha256,
            "rows": [start, start + len(self.weights)],
            "run": self.run,
            "step": self.step,
            "tensors": self.tensors,
            "ignored": self.ignored,
        }


def read_checkpoint(
    path: Path,
    name: str,
    architecture: Architecture,
    name_pattern: str | None,
    max_bytes: int | None = None,
) -> Checkpoint:
    """Read a file and match its tensors to an architecture, without running code in the file.

    Args:
        name: path of the file relative to its folder.
        name_pattern: regular expression of the name, with the group ``run``, optionally ``step``.
        max_bytes: maximum size of the file.

    Raises:
        DataError: the file is too large, cannot be read, or does not match the architecture.
    """
    run, step = _run_and_step(name.removesuffix(path.suffix), name_pattern)
    if max_bytes is not None and path.is_file() and (size := path.stat().st_size) > max_bytes:
        raise DataError(
            f"the file has {format_bytes(size)}, but --memory allows {format_bytes(max_bytes)} "
            "per file; save each network to a file of its own, or increase --memory"
        )
    data = _content(path)
    tensors = load_tensors(data, path.suffix == ".safetensors")
    module = architecture.template
    layouts = WeightLayout.of_parameters(module), WeightLayout.of_buffers(module)
    described = {name: f"{str(t.dtype)[6:]} {list(t.shape)}" for name, t in tensors.items()}
    renamed, ignored = map_names(tensors, layouts[0], architecture.map_checkpoint_key)
    digest = hashlib.sha256(data).hexdigest()
    matched = match_state_dict(renamed, *layouts, len(data))
    return Checkpoint(name, *matched, run, step, digest, described, ignored)


def _run_and_step(name: str, name_pattern: str | None) -> tuple[str | None, int]:
    if name_pattern is None:
        return None, 0
    match = re.fullmatch(name_pattern, name)
    groups = match.groupdict() if match else {}
    step = groups.get("step") or "0"
    if not groups.get("run") or not step.isdecimal() or int(step) >= 2**63:
        raise DataError(
            f"its name {name!r} gives no run, or no integer step, by zoo.name_pattern "
            f"{name_pattern!r}"
        )
    return groups["run"], int(step)


def _content(path: Path) -> bytes:
    """The bytes of a file, read once, so that hash and tensors are of the same bytes."""
    with _readable(path):
        return path.read_bytes()


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, read in chunks."""
    with _readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise DataError(f"{path}: is not a file")
    try:
        yield
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "larger than memory"
        raise DataError(f"{path}: cannot be read: {reason}") from error
