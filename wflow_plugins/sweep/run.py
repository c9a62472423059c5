"""A sweep: the runs of a grid, and their table, up to date after every run.

Every run has a folder of its own under ``rows/``, like any other run; a finished one is found, an
interrupted one resumes. Runs that share a stage, such as the zoo, make it once.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from wflow_core.devices import resolve_device
from wflow_core.pipeline.run_folder import machine, versions
from wflow_core.storage.store import Store
from wflow_plugins.streaming.memory import MemoryBudget
from wflow_plugins.sweep.grid import GridFile
from wflow_plugins.sweep.jobs import Failure, RunSettings, run_parallel, run_serial
from wflow_plugins.sweep.results import ROWS, TABLE, Result, check_folder, load_result
from wflow_plugins.sweep.rows import Run, SweepRow, load_rows, select_rows
from wflow_plugins.sweep.shared_cache import SharedCache
from wflow_plugins.sweep.table import build_table
from wflow_plugins.sweep.text import render_markdown, summary_line

MARKDOWN = "table.md"
Printer = Callable[[str], None]


def no_output(text: str) -> None:
    """The printer of a sweep whose progress nobody follows."""


def run_sweep(
    path: Path | str, out: Path | str | None = None, device: str = "auto", *,
    threads: int | None = None, memory: str | MemoryBudget | None = None,
    only: Collection[str] = (), jobs: int = 1, overwrite: bool = False, allow_code: bool = False,
    printer: Printer = no_output,
) -> dict[str, Any]:  # fmt: skip
    """Run a grid, resume what was interrupted, or find it finished.

    A run that fails is noted in the table, and the sweep continues; the next call tries it again.

    Args:
        out: folder of the table and of all runs; ``sweeps/NAME`` by default.
        memory: budget of the networks of a run, such as ``4GB``; larger weight sets stay in files.
        only: names of the rows to run; all by default.
        jobs: parallel runs, each in a process of its own.
        overwrite: let runs of other specs in the folder be replaced, stage by stage.
        allow_code: import the code that specs name, which may do anything.
        printer: called with a line of progress at a time.

    Returns:
        The content of ``table.json``.

    Raises:
        SpecError: the grid, or the spec of a row, is invalid; nothing was run.
        StoreError: the folder is in use, holds something else, or cannot be written.
        WflowError: there is no such row or device, or ``memory`` is no size.
    """
    file, rows = load_rows(Path(path), allow_code)
    chosen = select_rows(rows, only)
    resolve_device(device, threads)
    budget = MemoryBudget.parse(memory) if isinstance(memory, str) else memory
    folder = Path(out) if out else Path("sweeps") / file.grid.name
    settings = RunSettings(folder / ROWS, device, threads, overwrite, budget)
    check_folder(folder, file.grid.name, () if overwrite else chosen)
    command = _command_line(
        path, out, [row.name for row in chosen if only], settings, jobs, allow_code
    )
    with Store(folder).locked() as store:
        sweep = Sweep(file, rows, store, settings, command, printer)
        return sweep.run([run for row in chosen for run in row.runs], jobs)


def _command_line(
    path: Path | str, out: Path | str | None, only: Iterable[str], settings: RunSettings,
    jobs: int, allow_code: bool,
) -> str:  # fmt: skip
    """The equivalent command."""
    argv = ["wflow", "sweep", str(path), *(["--out", str(out)] if out else [])]
    argv += [word for name in only for word in ("--only", name)]
    argv += [*settings.to_argv(), *(["--jobs", str(jobs)] if jobs > 1 else [])]
    return shlex.join([*argv, *["--allow-code"] * allow_code])


class Sweep:
    """One sweep: its rows, the results so far, and the table of both."""

    def __init__(
        self,
        file: GridFile,
        rows: tuple[SweepRow, ...],
        store: Store,
        settings: RunSettings,
        command: str,
        printer: Printer,
    ):
        self.file, self.rows, self.store, self.settings = file, rows, store, settings
        self.command, self.printer = command, printer
        before = store.read_json(TABLE) or {}
        runs = [run for row in rows for run in row.runs]
        self.results = {run.folder: load_result(store.folder, run, before) for run in runs}

    def run(self, runs: list[Run], jobs: int) -> dict[str, Any]:
        """Execute the runs; the table is written before the first and after each."""
        table = self.write_table()
        total, order = len(runs), [run.folder for run in runs]

        def on_start(run: Run) -> None:
            self.printer(f"[{order.index(run.folder) + 1}/{total}] {run.label}")

        if serial := jobs == 1:
            outcomes = run_serial(runs, self.settings, on_start)
        else:
            outcomes = run_parallel(runs, self.settings, jobs)
        for done, (run, failure) in enumerate(outcomes, start=1):
            table = self._record(run, failure)
            label = "" if serial else f"[{done}/{total}] {run.label}: "
            self.printer(f"{label}{self._outcome_line(run, failure, table)}")
        SharedCache(self.settings.rows).remove_locks()
        return table

    def write_table(self) -> dict[str, Any]:
        """The table of the results so far, written to both files."""
        device = resolve_device(self.settings.device)
        provenance = {
            "command": self.command,
            "versions": versions(),
            "machine": machine(device) | {"cores": os.cpu_count()},
        }
        table = build_table(self.file.grid, self.rows, self.results) | provenance
        self.store.write_json(TABLE, table)
        self.store.write(MARKDOWN, render_markdown(table))
        return table

    def _record(self, run: Run, failure: Failure | None) -> dict[str, Any]:
        result = load_result(self.store.folder, run, {})
        if failure is not None:
            result = Result("failed", failure.reason)
        self.results[run.folder] = result
        return self.write_table()

    def _outcome_line(self, run: Run, failure: Failure | None, table: dict[str, Any]) -> str:
        """How a run ended, with the numbers of its row."""
        if failure is not None:
            trace = f"\n{failure.traceback}" if failure.traceback else ""
            return f"failed: {failure.reason}{trace}"
        seconds = sum(self.results[run.folder].seconds.values())
        row = next(row for row in table["rows"] if row["name"] == run.row)
        return f"finished, {seconds:.1f} s; {summary_line(table, row)}"


def failures(table: dict[str, Any], only: Collection[str] = ()) -> list[str]:
    """The failed runs of a table, one line each.

    Args:
        only: names of rows; all by default.
    """
    return [
        f"{row['name']}, seed {run['seed']}: {run['reason']}"
        for row in table["rows"] if not only or row["name"] in only
        for run in row["runs"] if run["status"] == "failed"
    ]  # fmt: skip
