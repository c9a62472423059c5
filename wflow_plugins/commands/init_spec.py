"""The spec that ``wflow init`` writes from a few answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from string import Template

from wflow_core import registry
from wflow_core.assembly.assemble import assemble
from wflow_core.errors import DataError, SpecError
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.task import Task
from wflow_core.specs.spec import spec_from_text
from wflow_plugins.commands.init_texts import FLOWS, HEAD, SIZES, TOY, TRAINED_ZOO, WIDE_SIZES
from wflow_plugins.commands.new_files import write_new

REQUIRED = {
    "trajectory": [],
    "geometric": [
        ("canonicalizer", "sinkhorn_rebasin"), ("canonicalizer", "relu_sphere"),
        ("manifold", "relu_sphere"), ("coupling", "ot"), ("velocity", "relational_transformer"),
        ("solver", "guided_euler"),
    ],
}  # fmt: skip
"""Components that each flow needs beyond those of every flow: a flow is offered where they are
installed."""
WIDE = 256
"""Inputs per example above which an epoch takes long."""


@dataclass(frozen=True)
class Answers:
    """The answers that a spec is written from; ``hidden`` as typed, such as ``16,16``."""

    task: str = "breast_cancer"
    hidden: str = "16,16"
    flow: str = "trajectory"
    size: str = "small"

    @property
    def widths(self) -> list[int]:
        """The hidden widths.

        Raises:
            SpecError: they are not positive integers.
        """
        typed = re.split(r"[,\s]+", self.hidden.strip("[](), "))
        if not all(re.fullmatch(r"[1-9][0-9]{0,5}", width) for width in typed):
            raise SpecError(
                [f"--hidden {self.hidden!r}: expected positive integers, such as 16,16"]
            )
        return [int(width) for width in typed]


def questions() -> dict[str, tuple[str, list[str]]]:
    """Name of an answer -> its question and the choices, the default first."""
    tasks = sorted({p.name for p in registry.plugins("task")}, key=lambda n: (n != Answers.task, n))
    flows = [flow for flow, components in REQUIRED.items() if all(map(_is_installed, components))]
    return {
        "task": ("Task of the networks", tasks),
        "hidden": ("Widths of their hidden layers", [Answers.hidden]),
        "flow": ("Flow", flows),
        "size": ("Size of the run", list(SIZES)),
    }


def write_spec(file: Path, answers: Answers) -> str:
    """Check and write the spec of some answers.

    Returns:
        A message: what was written, and where the data of its task is.

    Raises:
        PluginError: the task, or a component that the flow needs, is not installed.
        SpecError: the answers do not fit together.
        StoreError: the file exists already, or cannot be written.
    """
    for kind, name in REQUIRED[answers.flow]:
        registry.find(kind, name)
    task = _build_task(answers.task)
    text = spec_text(task, answers)
    assemble(spec_from_text(text, str(file)))
    write_new(file, text, parameter="FILE")
    try:
        return f"a spec ready to run; its data {task.locate()}"
    except DataError as error:
        return f"a spec whose data is missing: {error}"


def spec_text(task: Task, answers: Answers) -> str:
    """The spec as YAML with comments."""
    values = {"task": answers.task, "name": _run_name(answers.task), "hidden": str(answers.widths)}
    if DATA not in task.offers:
        return _fill(HEAD + TOY, values)
    sizes = WIDE_SIZES if prod(task.signature.inputs) > WIDE else SIZES
    values |= sizes[answers.size] | FLOWS[answers.flow].sizes[answers.size]
    return _fill(HEAD + TRAINED_ZOO + FLOWS[answers.flow].text, values)


def _build_task(name: str) -> Task:
    cls = registry.load("task", name)
    try:
        task: Task = cls()
    except ValueError as error:  # pydantic's, of an option without a default
        raise SpecError([f"task {name!r} has options without a default: {error}"]) from error
    return task


def _is_installed(component: tuple[str, str]) -> bool:
    kind, name = component
    return name in [p.name for p in registry.plugins(kind)]


def _run_name(task: str) -> str:
    """The name of the run; specs allow letters, digits and ``._-`` in it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", task).strip("-._") or "run"


def _fill(text: str, values: dict[str, str]) -> str:
    """Names replaced by values, and the comments behind values aligned."""
    filled = Template(text).substitute(values)
    return re.sub(r"(?m)^([^#\n]+?) +(# .*)$", lambda m: f"{m[1]:<33} {m[2]}", filled)
