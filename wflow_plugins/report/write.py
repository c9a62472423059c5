"""Writes the report: reads the run, draws, and replaces the file as a whole."""

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
        out: the file, which must not exist; by default ``report.html`` in the run folder, which is
            replaced.
        steps: sample networks, to draw the score by the number of solver steps.
        networks: sampled for each number of steps, at most.
        device: where they are sampled; by default that of the run.
        say: takes a line that tells the user what is being done.
        allow_code: import the code that the run's spec names, which may do anything.

    Returns:
        The file.

    Raises:
        StoreError: the run is not finished, or the file exists already or cannot be written.
        NoReportError: the stages of the run are not those that the report is about.
        UnsupportedError: a library that the report needs is not installed.
    """
    _check_installed("matplotlib", "jinja2")
    file = _check_new(out) if out else folder / REPORT
    from wflow_plugins.report.read import read_run

    run = read_run(folder, device, allow_code)
    Store(file.parent).write(file.name, _render(run, networks if steps else None, say))
    return file


def _render(run: RunData, networks: int | None, say: Say) -> str:
    """The page, with the score by solver steps where a number of networks is given for it."""
    from wflow_plugins.report.figures import draw_all
    from wflow_plugins.report.page import render_page
    from wflow_plugins.report.steps import steps_curve

    curve = steps_curve(run, networks, say) if networks else None
    notes = [f"No score by solver steps: {curve}."] if isinstance(curve, str) else []
    say("figures")
    return render_page(run, draw_all(run, None if isinstance(curve, str) else curve), notes)


def _check_new(out: Path) -> Path:
    if os.path.lexists(out):
        raise StoreError(f"{out}: exists already; give another --out")
    return out


def _check_installed(*libraries: str) -> None:
    for name in libraries:
        try:
            import_module(name)
        except ImportError as error:
            raise UnsupportedError(
                f"the report needs {name}, which does not import here ({error}); pip install {name}"
            ) from error
