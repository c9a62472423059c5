"""Commands that tell whether a spec is right: ``check``, and ``schema`` for editors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflow_core.cli.commands import FIX, clear_errors
from wflow_core.cli.options import ALLOW_CODE, JSON, SET, SPEC
from wflow_core.errors import DataError, SpecError, WflowError

if TYPE_CHECKING:
    from wflow_core.assembly.assembly import Assembly


@click.command()
@SPEC
@SET
@ALLOW_CODE
@JSON
@clear_errors
def check(spec: Path, overrides: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """Check SPEC without running it: every problem at once, each at file:line:column.

    Data is looked for, not read. With --json, the spec with every option written out; or what is
    wrong: {"ok": false, "problems": [{"file", "line", "column", "message"}]}.
    """
    try:
        assembled, places = _checked(spec, overrides, allow_code)
    except WflowError as error:
        if not as_json:
            raise
        found = error.problems if isinstance(error, SpecError) else [str(error)]
        told = {"ok": False, "problems": [_with_place(line) for line in found]}
        click.echo(json.dumps(told, indent=2))
        sys.exit(FIX)
    if as_json:
        click.echo(json.dumps(assembled.resolved, indent=2))
        return
    symmetry = assembled.architecture.symmetry
    click.echo(f"{spec}: right; {symmetry.layout.size} weights; its groups as declared:")
    click.echo(symmetry.describe())
    if assembled.derived:
        size = assembled.derived.architecture.symmetry.layout.size
        click.echo(f"samples are of {assembled.derived.architecture}: {size} weights")
    for name, place in places.items():
        click.echo(f"data of {name}: {place}")


@click.command()
@click.option("--grid", is_flag=True, help="That of grids, for `wflow sweep`, instead.")
@clear_errors
def schema(grid: bool) -> None:
    """Print the JSON schema of specs, with the options of every installed component."""
    if grid:
        from wflow_plugins.sweep.schema import grid_schema as made
    else:
        from wflow_core.specs.schema import spec_schema as made

    click.echo(json.dumps(made(), indent=2))


def _checked(
    spec: Path, overrides: tuple[str, ...], allow_code: bool
) -> tuple[Assembly, dict[str, str]]:
    """The components, and where the data of each task is."""
    from wflow_core.assembly.assemble import assemble
    from wflow_core.interfaces.task import Task
    from wflow_core.specs.problems import dotted
    from wflow_core.specs.spec import load_spec

    file = load_spec(spec, overrides, allow_code)
    assembled = assemble(file)
    places: dict[str, str] = {}
    absent: list[str] = []
    for path, found in file.found.items():
        if issubclass(found.cls, Task):
            try:
                places[dotted(path)] = found.cls(**found.options).locate()
            except DataError as error:
                absent.append(f"{file.source.place(path)}: {dotted(path)}: {error}")
    if absent:
        raise SpecError(absent)
    return assembled, places


def _with_place(problem: str) -> dict[str, Any]:
    """A problem with its place beside it; None where it has none, as of ``--set``."""
    from wflow_core.specs.problems import location_key

    file, line, column, _ = location_key(problem)
    if not line:
        return {"file": None, "line": None, "column": None, "message": problem}
    message = problem.removeprefix(f"{file}:{line}:{column}: ")
    return {"file": file, "line": line, "column": column, "message": message}
