"""The command ``wflow check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflow_core.cli.commands import USER_ERROR, report_errors
from wflow_core.cli.options import ALLOW_CODE, JSON, SET, SPEC
from wflow_core.errors import DataError, SpecError, WflowError

if TYPE_CHECKING:
    from wflow_core.interfaces.components import Components


@click.command()
@SPEC
@SET
@ALLOW_CODE
@JSON
@report_errors
def check(spec: Path, overrides: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """Check SPEC without running it.

    Every problem is shown, each at file:line:column. Data is located, not read. With --json, the
    spec with every option written out, or
    {"ok": false, "problems": [{"file", "line", "column", "message"}]}.
    """
    try:
        components, lines = _checked(spec, overrides, allow_code)
    except WflowError as error:
        if not as_json:
            raise
        found = error.problems if isinstance(error, SpecError) else [str(error)]
        problems = {"ok": False, "problems": [_with_location(line) for line in found]}
        click.echo(json.dumps(problems, indent=2))
        sys.exit(USER_ERROR)
    resolved = json.dumps(dict(components.resolved), indent=2)
    click.echo(resolved if as_json else "\n".join([f"{spec}: valid", *lines]))


def _checked(
    path: Path, overrides: tuple[str, ...], allow_code: bool
) -> tuple[Components, list[str]]:
    """The components, and a line about the symmetry of each architecture and the data of each
    task."""
    from wflow_core.assembly.assemble import assemble
    from wflow_core.interfaces.architecture import Architecture
    from wflow_core.interfaces.task import Task
    from wflow_core.specs.problems import dotted
    from wflow_core.specs.spec import load_spec

    spec = load_spec(path, overrides, allow_code)
    components = assemble(spec)
    lines, absent = [], []
    for at, of in components.built.items():
        if isinstance(of, Architecture):
            size = of.symmetry.layout.size
            lines += [f"{dotted(at)}: {size} parameters; symmetry groups:", of.symmetry.describe()]
        if isinstance(of, Task):
            try:
                lines.append(f"data of {dotted(at)}: {of.locate()}")
            except DataError as error:
                absent.append(f"{spec.source.location(at)}: {dotted(at)}: {error}")
    if absent:
        raise SpecError(absent)
    return components, lines


def _with_location(problem: str) -> dict[str, Any]:
    """A problem with its location beside it; None where it has none, as of ``--set``."""
    from wflow_core.specs.problems import location_key

    file, line, column, _ = location_key(problem)
    if not line:
        return {"file": None, "line": None, "column": None, "message": problem}
    message = problem.removeprefix(f"{file}:{line}:{column}: ")
    return {"file": file, "line": line, "column": column, "message": message}
