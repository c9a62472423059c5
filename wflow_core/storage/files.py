"""Writing files so that they are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wflow_core.errors import StoreError


@contextmanager
def translate_io_errors(place: Path) -> Iterator[None]:
    """One clear error where ``place`` cannot be written, and nothing left of the attempt."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        remove(place.with_name(f".{place.name}.new"))
        why = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"{place}: cannot be written: {why}; nothing was changed") from error


def unreadable(path: Path, error: OSError) -> StoreError:
    """The error to raise where a file is there and cannot be read."""
    return StoreError(f"{path}: cannot be read: {error.strerror}")


def remove(place: Path) -> None:
    """Remove a file or folder as far as it can be done."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; one that may not be read is not called absent.

    Raises:
        OSError: it cannot be read.
        SafetensorError: it is no such file.
    """
    with path.open("rb"):
        return load_file(path)


def contiguous_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU tensors that share no memory, as safetensors wants them."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        storage = own.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != own.nbytes:
            own = own.clone()
        seen.add(own.untyped_storage().data_ptr())
        found[name] = own
    return found


def content_hash(paths: Iterable[Path], data: Mapping[str, Any]) -> str:
    """SHA-256 of files, one after another, and of plain data."""
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, allow_nan=False).encode())
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(2**22):
                digest.update(block)
    return digest.hexdigest()


def to_json(data: Any) -> str:
    """Plain data as JSON; NaN and infinities are errors."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def write_synced(path: Path, text: str) -> None:
    """Write a text file that survives the power going."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def fsync(path: Path) -> None:
    """Have the system put a file or folder on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
