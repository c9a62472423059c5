"""Files that a command makes: written whole or not at all, and never over an existing file."""

from __future__ import annotations

import os
from pathlib import Path

from wflow_core.errors import StoreError
from wflow_core.storage.files import translate_io_errors, write_synced


def check_new(path: Path, parameter: str = "--out") -> None:
    """
    Args:
        parameter: of the command, that the path was given by.

    Raises:
        StoreError: there is a file, folder or link of that path.
    """
    if os.path.lexists(path):
        raise StoreError(f"{path}: already exists; give another {parameter}")


def write_new(path: Path, text: str, parameter: str = "--out") -> None:
    """Write a new text file.

    Raises:
        StoreError: it exists already, or cannot be written; nothing is left then.
    """
    check_new(path, parameter)
    fresh = path.with_name(f".{path.name}.new")
    with translate_io_errors(path):
        write_synced(fresh, text)
        os.replace(fresh, path)
