"""What an installation has, and what is wrong with it, as plain data.

An error in one section is a problem of that section: the others are examined all the same.
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
from wflow_core.errors import DataError
from wflow_plugins.commands.inspection import problems

DISTRIBUTION = "weightspace-flow"
VARIABLES = (
    "WFLOW_DATA", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
"""Environment variables that decide which data is found, or how fast training is."""
MIN_FREE_BYTES = 2**30
"""Free bytes of a disk below which there is a warning."""
BUSY = 0.5
"""Load per core from which on other processes slow down training."""

Findings = dict[str, Any]


def examine() -> Findings:
    """The findings of every section by its name; under ``advice``, a line for each thing to fix."""
    found = {name: _or_problem(section) for name, section in SECTIONS.items()}
    return found | {"advice": advice(found)}


def versions() -> Findings:
    """Versions of Python, wflow and its dependencies; None for one that is not installed."""
    named = (re.match(r"[\w.-]+", line) for line in requires(DISTRIBUTION) or () if ";" not in line)
    packages = {match[0]: _version(match[0]) for match in named if match}
    return {"python": platform.python_version(), "wflow": _version(DISTRIBUTION), **packages}


def devices() -> Findings:
    """Cores, threads and load of the CPU; each CUDA device with its memory in GiB."""
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
    """Names of plugins by kind, and the problem of every broken one; all are imported."""
    found = problems([*registry.plugins(), *registry.plugins("command")], check=True)
    kinds = {kind: [p.name for p in found if p.kind == kind] for kind in registry.KINDS}
    broken = [{"plugin": p.label, "problem": why} for p, why in found.items() if why]
    return {"kinds": kinds, "commands": sorted(registry.commands()), "broken": broken}


def data() -> Findings:
    """Where the data of each task is, or why there is none."""
    return {p.name: _data_of(p) for p in registry.plugins("task")}


def environment() -> Findings:
    """Values of environment variables; None for one that is not set."""
    return {name: os.environ.get(name) for name in VARIABLES}


def folder() -> Findings:
    """The working folder: whether it can be written to, and the free bytes of its disk."""
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
    """What to fix, the most urgent first."""
    lines = [f"{name}: {of['problem']}" for name, of in found.items() if "problem" in of]
    missing = [name for name, of in found["versions"].items() if of is None]
    lines += [f"{name} is not installed; pip install {name}" for name in missing]
    lines += [f"{b['plugin']} {b['problem']}" for b in found["plugins"].get("broken", [])]
    place = found["environment"].get("WFLOW_DATA")
    if place and not os.path.isdir(os.path.expanduser(place)):
        lines.append(f"WFLOW_DATA is {place}, which is not a folder; set it to that of the data")
    lines += _about_folder(found["folder"])
    lines += _about_load(found["devices"], found["environment"])
    return lines


def _about_folder(here: Findings) -> list[str]:
    if not here.get("writable", True):
        return [f"{here['path']} cannot be written to; give an --out elsewhere"]
    if here.get("free_bytes", MIN_FREE_BYTES) < MIN_FREE_BYTES:
        return [f"{here['path']}: less than 1 GiB of the disk is free; give an --out elsewhere"]
    return []


def _about_load(machine: Findings, settings: Findings) -> list[str]:
    """Waiting threads of torch spin, and wait long where other processes use the cores."""
    cores, load = machine.get("cores"), machine.get("load")
    passive = (settings.get("OMP_WAIT_POLICY") or "").lower() == "passive"
    if not cores or load is None or load < BUSY * cores or machine["threads"] == 1 or passive:
        return []
    return [
        f"other processes use the cores (load {load:.1f} of {cores}), and torch's waiting threads "
        "then make training several times slower; set OMP_WAIT_POLICY=PASSIVE, or give --threads 1"
    ]


def _data_of(plugin: registry.Plugin) -> Findings:
    try:
        return {"found": True, "where": registry.load_plugin(plugin)().locate()}
    except DataError as error:
        return {"found": False, "where": str(error)}
    except Exception as error:  # a plugin may raise anything
        return {"found": False, "where": _first_line(error)}


def _or_problem(section: Callable[[], Any]) -> Any:
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
