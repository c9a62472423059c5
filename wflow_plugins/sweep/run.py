"""A sweep: the runs of a grid one after another, and their table, right at any time.

Every run is one like any other, in a folder of its own under ``rows/``; it is found finished, or
goes on where it was. Runs that share a stage, such as the zoo, make it once.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from wflow_core.devices import choose
from wflow_core.pipeline.record import machine, versions
from wflow_core.storage.store import Store
from wflow_plugins.streaming.memory import Memory
from wflow_plugins.sweep.grid import GridFile
from wflow_plugins.sweep.jobs import Failure, Settings, one_by_one, together
from wflow_plugins.sweep.results import ROWS, TABLE, Result, find, refuse_others
from wflow_plugins.sweep.rows import Run, SweepRow, choose as choose_rows, load_rows
from wflow_plugins.sweep.shared_cache import Siblings
from wflow_plugins.sweep.table import table
from wflow_plugins.sweep.text import brief, markdown

MARKDOWN = "table.md"
Say = Callable[[str], None]


def quiet(text: str) -> None:
    """The progress of a sweep that nobody watches."""


def run_sweep(
    path: Path | str, out: Path | str | None = None, device: str = "cpu", *,
    threads: int | None = None, memory: Memory | None = None, only: Collection[str] = (),
    jobs: int = 1, overwrite: bool = False, allow_code: bool = False, say: Say = quiet,
) -> dict[str, Any]:  # fmt: skip
    """Run a grid, or finish or find what was run of it before.

    A run that fails is told in the table, and the sweep goes on; the next call tries it again.

    Args:
        out: folder of the table and of all runs; None: ``sweeps/NAME``.
        memory: what the networks of a run may take; larger weight sets stay in files.
        only: names of the rows to run; none: all.
        jobs: runs at a time, each in a process of its own where there are several.
        overwrite: let runs of other specs in the folder be replaced, stage by stage.
        allow_code: import the code that specs name, which may do anything.
        say: is told where the sweep is, a line at a time.

    Returns:
        The content of ``table.json``.

    Raises:
        SpecError: the grid, or the spec of a row, is wrong; nothing was run.
        StoreError: the folder is in use, holds something else, or cannot be written.
    """
    file, rows = load_rows(Path(path), allow_code)
    chosen = choose_rows(rows, only)
    choose(device, threads)
    folder = Path(out) if out else Path("sweeps") / file.grid.name
    settings = Settings(folder / ROWS, device, threads, overwrite, memory)
    refuse_others(folder, file.grid.name, () if overwrite else chosen)
    command = _command(path, out, [row.name for row in chosen if only], settings, jobs, allow_code)
    with Store(folder).locked() as store:
        sweep = Sweep(file, rows, store, settings, command, say)
        return sweep.travel([run for row in chosen for run in row.runs], jobs)


def _command(
    path: Path | str, out: Path | str | None, only: Iterable[str], settings: Settings, jobs: int,
    allow_code: bool,
) -> str:  # fmt: skip
    """The command that does the same."""
    words = ["wflow", "sweep", str(path), *(["--out", str(out)] if out else [])]
    words += [word for name in only for word in ("--only", name)]
    words += [*settings.words, *(["--jobs", str(jobs)] if jobs > 1 else [])]
    return shlex.join([*words, *["--allow-code"] * allow_code])


class Sweep:
    """One sweep: its rows, the results so far, and the table of both."""

    def __init__(
        self,
        file: GridFile,
        rows: tuple[SweepRow, ...],
        store: Store,
        settings: Settings,
        command: str,
        say: Say,
    ):
        self.file, self.rows, self.store, self.settings = file, rows, store, settings
        self.command, self.say = command, say
        before = store.read_json(TABLE) or {}
        runs = [run for row in rows for run in row.runs]
        self.results = {run.folder: find(store.folder, run, before) for run in runs}

    def travel(self, runs: list[Run], jobs: int) -> dict[str, Any]:
        """Do the runs; the table is written before them and after each."""
        found = self.write()
        total, order = len(runs), [run.folder for run in runs]

        def begin(run: Run) -> None:
            self.say(f"[{order.index(run.folder) + 1}/{total}] {run.label}")

        if alone := jobs == 1:
            ends = one_by_one(runs, self.settings, begin)
        else:
            ends = together(runs, self.settings, jobs)
        for done, (run, failure) in enumerate(ends, start=1):
            found = self._note(run, failure)
            label = "" if alone else f"[{done}/{total}] {run.label}: "
            self.say(f"{label}{self._told(run, failure, found)}")
        Siblings(self.settings.rows).tidy()
        return found

    def write(self) -> dict[str, Any]:
        """The table of what is known now, to both files."""
        device = choose(self.settings.device)
        about = {
            "command": self.command,
            "versions": versions(),
            "machine": machine(device) | {"cores": os.cpu_count()},
        }
        found = table(self.file.grid, self.rows, self.results) | about
        self.store.write_json(TABLE, found)
        self.store.write(MARKDOWN, markdown(found))
        return found

    def _note(self, run: Run, failure: Failure | None) -> dict[str, Any]:
        result = find(self.store.folder, run, {})
        if failure is not None:
            result = Result("failed", failure.reason)
        self.results[run.folder] = result
        return self.write()

    def _told(self, run: Run, failure: Failure | None, found: dict[str, Any]) -> str:
        """How a run ended, in a line; the row's measures when all its seeds are done."""
        if failure is not None:
            return f"failed: {failure.reason}" + (f"\n{failure.trace}" if failure.trace else "")
        seconds = sum(self.results[run.folder].seconds.values())
        row = next(row for row in found["rows"] if row["name"] == run.row)
        return f"finished, {seconds:.1f} s; {brief(found, row)}"


def failures(found: dict[str, Any], only: Collection[str] = ()) -> list[str]:
    """The runs of a table that failed, a line each; of some rows alone, where they are named."""
    return [
        f"{row['name']}, seed {run['seed']}: {run['reason']}"
        for row in found["rows"] if not only or row["name"] in only
        for run in row["runs"] if run["status"] == "failed"
    ]  # fmt: skip
