"""What an installation has, and what is wrong with it: ``wflow doctor``.

Everything is plain data. Whatever raises is told as a problem of its section: this must work
where other things do not.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from wflow_core import registry
from wflow_core.cli.inspection import problems
from wflow_core.errors import DataError

DISTRIBUTION = "weightspace-flow"
VARIABLES = (
    "WFLOW_DATA", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
"""Environment variables that decide what is found, or how fast it runs."""
ROOM = 2**30
"""Bytes below which a disk is called nearly full."""

Findings = dict[str, Any]


def examine() -> Findings:
    """Everything, section by section; ``advice`` says what to mend, a line each."""
    found = {name: _guarded(section) for name, section in SECTIONS.items()}
    return found | {"advice": _guarded(lambda: advice(found))}


def versions() -> Findings:
    """Python, wflow, and what it depends on; None where it is not installed."""
    named = (re.match(r"[\w.-]+", line) for line in requires(DISTRIBUTION) or () if ";" not in line)
    packages = {match[0]: _version(match[0]) for match in named if match}
    return {"python": platform.python_version(), "wflow": _version(DISTRIBUTION), **packages}


def devices() -> Findings:
    """Cores, threads and load of the CPU; each CUDA device with its memory."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    return {
        "system": platform.platform(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "load": load,
        "torch build": f"ROCm {torch.version.hip}" if torch.version.hip else build,
        "cuda": [{"name": p.name, "memory_gib": round(p.total_memory / 2**30, 1)} for p in found],
    }


def plugins() -> Findings:
    """Names by kind, and every broken one with its problem; each is imported."""
    found = problems([*registry.plugins(), *registry.plugins("command")], check=True)
    kinds = {kind: [p.name for p in found if p.kind == kind] for kind in registry.KINDS}
    broken = [{"plugin": p.label, "problem": why} for p, why in found.items() if why]
    return {"kinds": kinds, "commands": sorted(registry.commands()), "broken": broken}


def data() -> Findings:
    """Where the data of each task is, or why it is not to be had."""
    return {p.name: _data_of(p) for p in registry.plugins("task")}


def environment() -> Findings:
    """Settings; those that are not set as None."""
    return {name: os.environ.get(name) for name in VARIABLES}


def folder() -> Findings:
    """The working folder: whether runs can be written here, and the room that is left."""
    here = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=here):
            writable = True
    except OSError:
        writable = False
    return {"path": str(here), "writable": writable, "free_bytes": shutil.disk_usage(here).free}


SECTIONS: dict[str, Callable[[], Findings]] = {
    "versions": versions,
    "devices": devices,
    "plugins": plugins,
    "data": data,
    "environment": environment,
    "folder": folder,
}


def advice(found: Findings) -> list[str]:
    """What to mend, most needed first."""
    said = [f"{name}: {of['problem']}" for name, of in found.items() if "problem" in of]
    absent = [name for name, of in found["versions"].items() if of is None]
    said += [f"{name} is not installed; pip install {name}" for name in absent]
    said += [f"{b['plugin']} {b['problem']}" for b in found["plugins"].get("broken", [])]
    place = found["environment"].get("WFLOW_DATA")
    if place and not Path(place).expanduser().is_dir():
        said.append(f"WFLOW_DATA is {place}, which is no folder")
    said += _of_folder(found["folder"]) + _of_load(found["devices"], found["environment"])
    return said


def _of_folder(here: Findings) -> list[str]:
    if not here.get("writable", True):
        return [f"{here['path']} cannot be written to; give --out elsewhere"]
    if here.get("free_bytes", ROOM) < ROOM:
        return [f"{here['path']}: less than 1 GiB of disk is left"]
    return []


def _of_load(machine: Findings, settings: Findings) -> list[str]:
    """Threads of torch that wait for each other spin, and others' work makes them wait long."""
    cores, load = machine.get("cores"), machine.get("load")
    passive = (settings.get("OMP_WAIT_POLICY") or "").lower() == "passive"
    if not cores or load is None or load < 0.5 * cores or machine["threads"] == 1 or passive:
        return []
    return [
        f"other processes keep the cores busy (load {load:.1f} of {cores}), where torch's waiting "
        "threads make training several times slower: set OMP_WAIT_POLICY=PASSIVE, or give "
        "--threads 1"
    ]


def _data_of(plugin: registry.Plugin) -> Findings:
    try:
        return {"found": True, "where": registry.load_plugin(plugin)().locate()}
    except DataError as error:
        return {"found": False, "where": str(error)}
    except Exception as error:  # a plugin may raise anything
        return {"found": False, "where": _first_line(error)}


def _guarded(section: Callable[[], Any]) -> Any:
    try:
        return section()
    except Exception as error:
        return {"problem": _first_line(error)}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
