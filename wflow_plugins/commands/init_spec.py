"""A first spec from a few answers: what ``wflow init`` writes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from string import Template

from wflow_core import registry
from wflow_core.assembly.assemble import assemble
from wflow_core.errors import DataError, SpecError, StoreError
from wflow_core.interfaces.task import Task
from wflow_core.specs.spec import spec_from_text
from wflow_core.storage.files import clear_errors, write_synced
from wflow_plugins.commands.init_texts import FLOWS, HEAD, SIZES, TOY, TRAINED_ZOO, WIDE_SIZES

PIECES = {
    "trajectory": [],  # the least that is installed
    "geometric": [
        ("canonicalizer", "sinkhorn_rebasin"), ("canonicalizer", "relu_sphere"),
        ("manifold", "relu_sphere"), ("coupling", "ot"), ("velocity", "relational_transformer"),
        ("solver", "guided_euler"),
    ],
}  # fmt: skip
"""What each composition names beyond what every installation has."""
WIDE = 256
"""Inputs from which on a pass over the data is what takes time."""


@dataclass(frozen=True)
class Answers:
    """What a spec is written from; ``hidden`` as it is typed, such as ``16,16``."""

    task: str = "breast_cancer"
    hidden: str = "16,16"
    flow: str = "trajectory"
    size: str = "small"

    @property
    def widths(self) -> list[int]:
        """The hidden widths.

        Raises:
            SpecError: they are not whole numbers above zero.
        """
        typed = re.split(r"[,\s]+", self.hidden.strip("[](), "))
        if not all(re.fullmatch(r"[1-9][0-9]{0,5}", width) for width in typed):
            raise SpecError([f"--hidden {self.hidden!r}: must be widths from 1 on, such as 16,16"])
        return [int(width) for width in typed]


def questions() -> dict[str, tuple[str, list[str]]]:
    """Name of an answer -> what to ask, and the choices, the default first."""
    tasks = sorted({p.name for p in registry.plugins("task")}, key=lambda n: (n != Answers.task, n))
    flows = [flow for flow, pieces in PIECES.items() if all(map(_installed, pieces))]
    return {
        "task": ("What shall the networks do", tasks),
        "hidden": ("Widths of their hidden layers", [Answers.hidden]),
        "flow": ("Which flow", flows),
        "size": ("How large a run", list(SIZES)),
    }


def write(file: Path, answers: Answers) -> str:
    """Write the spec of some answers, which is checked first; what a user should know of it.

    Raises:
        PluginError: the task, or what the composition is made of, is not installed.
        SpecError: the answers do not fit together.
        StoreError: the file is there already, or cannot be written.
    """
    for kind, name in PIECES[answers.flow]:
        registry.find(kind, name)
    task = _task(answers.task)
    text = text_of(task, answers)
    assemble(spec_from_text(text, str(file)))
    refuse_existing(file)
    fresh = file.with_name(f".{file.name}.new")
    with clear_errors(file):
        write_synced(fresh, text)
        os.replace(fresh, file)
    return _known(task)


def text_of(task: Task, answers: Answers) -> str:
    """The spec as YAML with comments."""
    values = {"task": answers.task, "name": _name(answers.task), "hidden": str(answers.widths)}
    if "data" not in task.offers:
        shape = task.signature
        values |= {"inputs": str(prod(shape.inputs)), "outputs": str(shape.outputs)}
        return _filled(HEAD + TOY, values)
    sizes = WIDE_SIZES if prod(task.signature.inputs) > WIDE else SIZES
    values |= sizes[answers.size] | FLOWS[answers.flow].sizes[answers.size]
    return _filled(HEAD + TRAINED_ZOO + FLOWS[answers.flow].text, values)


def refuse_existing(file: Path) -> None:
    """A spec that somebody wrote is not written over."""
    if os.path.lexists(file):
        raise StoreError(f"{file}: is there already; give another FILE")


def _task(name: str) -> Task:
    cls = registry.load("task", name)
    try:
        task: Task = cls()
    except ValueError as error:  # pydantic's, of an option without a default
        raise SpecError([f"task {name!r} has options without a default: {error}"]) from error
    return task


def _known(task: Task) -> str:
    """What is known of the data before anything runs."""
    try:
        return f"a spec that runs; its data {task.locate()}"
    except DataError as error:
        return f"a spec whose data is still to be had: {error}"


def _installed(piece: tuple[str, str]) -> bool:
    kind, name = piece
    return name in [p.name for p in registry.plugins(kind)]


def _name(task: str) -> str:
    """The name of the run, which a spec holds to letters, digits and ``._-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", task).strip("-._") or "run"


def _filled(text: str, values: dict[str, str]) -> str:
    """Names replaced by values, and comments beside values under each other."""
    filled = Template(text).substitute(values)
    return re.sub(r"(?m)^([^#\n]+?) +(# .*)$", lambda m: f"{m[1]:<33} {m[2]}", filled)
