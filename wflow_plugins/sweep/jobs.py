"""Execution of the runs of a sweep: one after another in this process, or in parallel processes."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import torch

from wflow_core.devices import resolve_device
from wflow_core.errors import WflowError
from wflow_core.interfaces.components import Components
from wflow_core.pipeline.driver import run as run_pipeline
from wflow_core.pipeline.error_origin import find_origin, one_line
from wflow_plugins.streaming.memory import MemoryBudget
from wflow_plugins.streaming.run_option import MEMORY_OPTION
from wflow_plugins.sweep.rows import Run
from wflow_plugins.sweep.shared_cache import SharedCache


@dataclass(frozen=True)
class Failure:
    """Why a run failed: one line, and the traceback of an unexpected error."""

    reason: str
    traceback: str | None = None


@dataclass(frozen=True)
class RunSettings:
    """What all runs of a sweep have in common.

    Attributes:
        rows: the folder of their run folders.
        memory: budget of the networks of each run; None for all in memory.
    """

    rows: Path
    device: str
    threads: int | None
    overwrite: bool
    memory: MemoryBudget | None = None

    def to_argv(self) -> list[str]:
        """As arguments of ``wflow sweep``."""
        argv = ["--device", self.device] if self.device != "auto" else []
        argv += ["--threads", str(self.threads)] if self.threads else []
        argv += ["--memory", str(self.memory.budget)] if self.memory else []
        return [*argv, *["--overwrite"] * self.overwrite]

    def storage(self, components: Components, device: torch.device) -> Mapping[str, Any]:
        """Arguments of a run for its memory budget."""
        if self.memory is None:
            return {}
        return MEMORY_OPTION.arguments(self.memory, components, device)


Outcome = tuple[Run, Failure | None]


def run_serial(
    runs: Iterable[Run], settings: RunSettings, on_start: Callable[[Run], None]
) -> Iterator[Outcome]:
    """Execute the runs in this process, one after another.

    Args:
        on_start: called before each run.
    """
    for run in runs:
        on_start(run)
        yield run, run_one(run, settings)


def run_parallel(runs: Iterable[Run], settings: RunSettings, jobs: int) -> Iterator[Outcome]:
    """Execute the runs in ``jobs`` processes; outcomes in the order in which runs end."""
    threads = settings.threads or max(1, (os.cpu_count() or 1) // jobs)
    settings = replace(settings, threads=threads)
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _init_worker)
    try:
        futures = {pool.submit(run_one, run, settings): run for run in runs}
        for future in as_completed(futures):
            yield futures[future], _result_of(future)
    finally:
        pool.shutdown(cancel_futures=True)


def run_one(run: Run, settings: RunSettings) -> Failure | None:
    """Execute a run, or find it finished; any error is its failure and affects no other run."""
    cache, folder = SharedCache(settings.rows), settings.rows / run.folder
    try:
        device = resolve_device(settings.device, settings.threads)
        components = run.assemble()
        storage = settings.storage(components, device)
        run_pipeline(components, folder, device, settings.overwrite, shared=cache, **storage)
    except WflowError as error:
        return Failure(one_line(str(error)))
    except Exception as error:
        text, here = traceback.format_exc(), error.__traceback__
        # This module is of a plugin, too; the origin is among the frames that it called.
        origin = find_origin(error.with_traceback(here and here.tb_next))
        return Failure(origin.format(error), text)
    return None


def _result_of(future: Future[Failure | None]) -> Failure | None:
    """A process that dies, such as for lack of memory, fails its run and all pending ones."""
    try:
        return future.result()
    except Exception as error:
        return Failure(one_line(f"its process died: {error}; give fewer --jobs"))


def _init_worker() -> None:
    """Silence the progress of a worker; each run has its ``log.jsonl``."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End with the sweep: a run that outlives it would keep its folder locked."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
