"""The command ``wflow sweep``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflow_core.cli.commands import USER_ERROR, report_errors
from wflow_core.cli.options import ALLOW_CODE, DEVICE, JSON, THREADS
from wflow_plugins.streaming.options import MEMORY

if TYPE_CHECKING:
    from wflow_plugins.sweep.rows import SweepRow


@report_errors
def _print_schema(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given:
        from wflow_plugins.sweep.schema import grid_schema

        click.echo(json.dumps(grid_schema(), indent=2))
        context.exit()


@click.command()
@click.argument("grid", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Folder of the table and the runs [sweeps/NAME].",
)  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="ROW", help="Row to run; repeat it for several [all]."
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N",
    help="Parallel runs, each in its own process and without progress bars.",
)  # fmt: skip
@DEVICE
@THREADS
@MEMORY
@click.option("--overwrite", is_flag=True, help="Replace what differs in a used folder.")
@click.option("--dry-run", is_flag=True, help="List the rows and their overrides; run nothing.")
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=_print_schema,
    help="Print the JSON schema of grids, and exit.",
)  # fmt: skip
@ALLOW_CODE
@JSON
@report_errors
def sweep(
    grid: Path, out: Path | None, only: tuple[str, ...], device: str, threads: int | None,
    dry_run: bool, allow_code: bool, as_json: bool, **how: Any,
) -> None:  # fmt: skip
    """Run all specs of GRID, and write one table of their results.

    Published figures stand beside the results. The whole grid is checked before anything runs.
    table.md and table.json are updated after every run; run the same command again to resume an
    interrupted sweep. A failed run is noted in the table, the others continue, and the exit code
    is 2.
    """
    from wflow_plugins.sweep.rows import load_rows, select_rows
    from wflow_plugins.sweep.run import failures, run_sweep
    from wflow_plugins.sweep.text import render_markdown

    if dry_run:
        _list_rows(select_rows(load_rows(grid, allow_code)[1], only), as_json)
        return
    table = run_sweep(
        grid, out, device, threads=threads, only=only, allow_code=allow_code, printer=_print, **how
    )
    click.echo(json.dumps(table, indent=2) if as_json else _encodable(render_markdown(table)))
    if failed := failures(table, only):
        click.echo(f"wflow: {len(failed)} failed: {'; '.join(failed)}", err=True)
        sys.exit(USER_ERROR)


def _list_rows(rows: tuple[SweepRow, ...], as_json: bool) -> None:
    if as_json:
        listed = [
            {"name": row.name, "spec": row.spec, "set": row.set,
             "runs": [{"seed": run.seed, "folder": run.folder} for run in row.runs]}
            for row in rows
        ]  # fmt: skip
        click.echo(json.dumps(listed, indent=2))
        return
    for number, row in enumerate(rows, start=1):
        seeds = ", ".join(str(run.seed) for run in row.runs)
        click.echo(f"[{number}/{len(rows)}] {row.name}: {row.spec}, seed {seeds}")
        for path, value in row.set.items():
            click.echo(f"    {path}={json.dumps(value)}")


def _print(text: str) -> None:
    click.echo(text, err=True)


def _encodable(text: str) -> str:
    """The text in characters that the terminal can write."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    return text
