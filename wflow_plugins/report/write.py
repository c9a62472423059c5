"""The report as a file: read the run, draw, write it whole or not at all."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from wflow_core.errors import StoreError, UnsupportedError
from wflow_core.storage.store import Store
from wflow_plugins.report import REPORT

if TYPE_CHECKING:
    import torch

    from wflow_plugins.report.data import RunData
    from wflow_plugins.report.steps import Say


def write_report(
    folder: Path,
    out: Path | None = None,
    steps: bool = True,
    networks: int = 64,
    device: torch.device | str | None = None,
    say: Say = print,
    allow_code: bool = False,
) -> Path:
    """Write the report of a finished run.

    Args:
        out: the file; by default ``report.html`` in the run folder.
        steps: sample anew, to draw the score by the number of solver steps.
        networks: how many networks that takes at most.
        say: takes a line that tells the user what is being done.
        device: where they are sampled; by default where the run was.
        allow_code: import the code that the run's spec names, which may do anything.

    Returns:
        The file.

    Raises:
        StoreError: the run is not finished, or the file cannot be written, or is there already
            and not the run's own.
        UnsupportedError: a library that draws is not installed.
    """
    _refuse_without("matplotlib", "jinja2")
    place = _free(out) if out else folder / REPORT
    from wflow_plugins.report.data import read

    run = read(folder, device, allow_code)
    Store(place.parent).write(place.name, _drawn(run, networks if steps else None, say))
    return place


def _drawn(run: RunData, networks: int | None, say: Say) -> str:
    """The page of a run; with its curve over solver steps from so many networks, where given."""
    from wflow_plugins.report.figures import pictures
    from wflow_plugins.report.page import page
    from wflow_plugins.report.steps import steps_curve

    curve = steps_curve(run, networks, say) if networks else None
    notes = [f"No score by solver steps: {curve}."] if isinstance(curve, str) else []
    say("figures")
    return page(run, pictures(run, None if isinstance(curve, str) else curve), notes)


def _free(out: Path) -> Path:
    if os.path.lexists(out):
        raise StoreError(f"{out}: is there already; give another --out")
    return out


def _refuse_without(*libraries: str) -> None:
    for name in libraries:
        try:
            import_module(name)
        except ImportError as error:
            raise UnsupportedError(
                f"the report needs {name}, which does not import here ({error}); pip install {name}"
            ) from error
