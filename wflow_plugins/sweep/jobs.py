"""How the runs of a sweep are done: one by one in this process, or several at a time in others."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path

from wflow_core.devices import choose
from wflow_core.errors import WflowError
from wflow_core.pipeline.driver import run as run_road
from wflow_core.pipeline.error_origin import blame, one_line
from wflow_plugins.streaming.memory import Memory
from wflow_plugins.sweep.rows import Run
from wflow_plugins.sweep.shared_cache import Siblings


@dataclass(frozen=True)
class Failure:
    """Why a run failed: a line, and the traceback where it was no error of wflow's own."""

    reason: str
    trace: str | None = None


@dataclass(frozen=True)
class Settings:
    """What all runs of a sweep have in common.

    Attributes:
        rows: the folder of their run folders.
    """

    rows: Path
    device: str
    threads: int | None
    overwrite: bool
    memory: Memory | None = None

    @property
    def words(self) -> list[str]:
        """Of the command."""
        found = ["--device", self.device] if self.device != "cpu" else []
        found += ["--threads", str(self.threads)] if self.threads else []
        found += ["--memory", str(self.memory.budget)] if self.memory else []
        return [*found, *["--overwrite"] * self.overwrite]


Done = tuple[Run, Failure | None]


def one_by_one(
    runs: Iterable[Run], settings: Settings, begin: Callable[[Run], None]
) -> Iterator[Done]:
    """Each run in this process, and how it ended; ``begin`` is told of it before."""
    for run in runs:
        begin(run)
        yield run, attempt(run, settings)


def together(runs: Iterable[Run], settings: Settings, jobs: int) -> Iterator[Done]:
    """Runs in ``jobs`` processes, in the order in which they end. Their progress is not shown."""
    threads = settings.threads or max(1, (os.cpu_count() or 1) // jobs)
    settings = replace(settings, threads=threads)
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin)
    try:
        futures = {pool.submit(attempt, run, settings): run for run in runs}
        for future in as_completed(futures):
            yield futures[future], _outcome(future)
    finally:
        pool.shutdown(cancel_futures=True)


def attempt(run: Run, settings: Settings) -> Failure | None:
    """Do a run, or find it finished; any error is its failure, and nobody else's."""
    siblings, folder = Siblings(settings.rows), settings.rows / run.folder
    try:
        device = choose(settings.device, settings.threads)
        run_road(run.assemble(), folder, device, settings.overwrite, siblings, settings.memory)
    except WflowError as error:
        return Failure(one_line(str(error)))
    except Exception as error:
        return Failure(blame(error).told(error), traceback.format_exc())
    return None


def _outcome(future: Future[Failure | None]) -> Failure | None:
    """A process that died, as for want of memory, fails its runs, and those still to come."""
    try:
        return future.result()
    except Exception as error:
        return Failure(one_line(f"its process died: {error}; give fewer --jobs"))


def _begin() -> None:
    """What a process does first.

    Progress of several at once is no progress to read; each run has its ``log.jsonl``.
    """
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed sweep leaves no runs behind, which would keep their folders locked."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
