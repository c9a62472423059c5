"""The same file at two places."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wflow_core.storage.files import fsync


def link(source: Path, place: Path) -> None:
    """The same file at another place: linked, or copied where the file system has no links."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copy(source, place)
        fsync(place)
