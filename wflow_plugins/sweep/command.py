"""The command ``wflow sweep``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflow_core.cli.commands import FIX, clear_errors
from wflow_core.cli.options import ALLOW_CODE, DEVICE, JSON, MEMORY, THREADS

if TYPE_CHECKING:
    from wflow_plugins.sweep.rows import SweepRow


@click.command()
@click.argument("grid", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the table [sweeps/NAME].")
@click.option("--only", multiple=True, metavar="ROW", help="Run this row; again for several [all].")
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True,
    help="Runs at a time, each in its own process and without progress bars.",
)  # fmt: skip
@DEVICE
@THREADS
@MEMORY
@click.option("--overwrite", is_flag=True, help="Replace what differs in a used folder.")
@click.option("--dry-run", is_flag=True, help="List the rows and their overrides; run nothing.")
@ALLOW_CODE
@JSON
@clear_errors
def sweep(
    grid: Path, out: Path | None, only: tuple[str, ...], device: str, threads: int | None,
    dry_run: bool, allow_code: bool, as_json: bool, **how: Any,
) -> None:  # fmt: skip
    """Run GRID, many runs of a spec, and write their table beside published figures.

    The whole grid is checked before anything runs. table.md and table.json are written anew after
    every run; a sweep that was stopped goes on where it was when the same command is given again.
    A run that fails is told in the table, the others go on, and the exit code is 2 at the end.
    """
    from wflow_plugins.sweep import failures, run_sweep
    from wflow_plugins.sweep.rows import choose, load_rows
    from wflow_plugins.sweep.text import markdown

    if dry_run:
        _list(choose(load_rows(grid, allow_code)[1], only), as_json)
        return
    found = run_sweep(
        grid, out, device, threads=threads, only=only, allow_code=allow_code, say=_say, **how
    )
    click.echo(json.dumps(found, indent=2) if as_json else _plain(markdown(found)))
    if failed := failures(found, only):
        click.echo(f"wflow: {len(failed)} failed: {'; '.join(failed)}", err=True)
        sys.exit(FIX)


def _list(rows: tuple[SweepRow, ...], as_json: bool) -> None:
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


def _say(text: str) -> None:
    click.echo(text, err=True)


def _plain(text: str) -> str:
    """What the terminal can write."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    return text
