"""The command ``wflow report``."""

from __future__ import annotations

from pathlib import Path

import click

from wflow_core.cli.commands import clear_errors
from wflow_core.cli.options import ALLOW_CODE, RUN, THREADS, device


@click.command()
@RUN
@click.option("--out", type=click.Path(path_type=Path), help="HTML file [RUN/report.html].")
@click.option("--no-steps", is_flag=True, help="Leave out the score by solver steps.")
@click.option("--device", "where", metavar="NAME", help="cpu, cuda, ... [that of the run].")
@THREADS
@ALLOW_CODE
@clear_errors
def report(
    run_dir: Path,
    out: Path | None,
    no_steps: bool,
    where: str | None,
    threads: int | None,
    allow_code: bool,
) -> None:
    """Write the report of a finished RUN: one HTML file that opens offline.

    Without --no-steps, networks are sampled in fewer solver steps, to draw how good they are.
    """
    chosen = device(where or "cpu", threads) if where or threads else None
    from wflow_plugins.report.write import write_report

    made = write_report(run_dir, out, not no_steps, device=chosen, allow_code=allow_code, say=_say)
    click.echo(made)


def _say(text: str) -> None:
    click.echo(f"report  {text}", err=True)
