"""The command ``wflow report``."""

from __future__ import annotations

from pathlib import Path

import click

from wflow_core.cli.commands import report_errors
from wflow_core.cli.options import ALLOW_CODE, RUN, THREADS


@click.command()
@RUN
@click.option("--out", type=click.Path(path_type=Path), help="HTML file [RUN/report.html].")
@click.option("--no-steps", is_flag=True, help="Leave out the score by solver steps.")
@click.option("--device", metavar="NAME", help="cpu, cuda, ..., or auto [that of the run].")
@THREADS
@ALLOW_CODE
@report_errors
def report(
    run_dir: Path,
    out: Path | None,
    no_steps: bool,
    device: str | None,
    threads: int | None,
    allow_code: bool,
) -> None:
    """Write the report of a finished RUN: one HTML file.

    Without --no-steps, networks are sampled in fewer solver steps, to draw their score by steps.
    """
    from wflow_core.devices import resolve_device
    from wflow_plugins.report.write import write_report

    where = resolve_device(device or "cpu", threads)  # which sets the number of threads, too

    given = where if device else None
    click.echo(
        write_report(run_dir, out, not no_steps, device=given, allow_code=allow_code, say=_say)
    )


def _say(text: str) -> None:
    click.echo(f"report  {text}", err=True)
