"""The command ``wflow evaluate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wflow_core.cli.commands import report_errors
from wflow_core.cli.options import ALLOW_CODE, DEVICE, JSON, RUN, THREADS
from wflow_plugins.commands.options import SEED
from wflow_plugins.streaming.options import MEMORY


@click.command()
@RUN
@click.option(
    "--from", "folder", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Networks to measure, written by `wflow sample --out FOLDER` [the run's samples].",
)  # fmt: skip
@click.option(
    "--metric", "names", multiple=True, metavar="NAME",
    callback=lambda context, parameter, given: [n.strip() for of in given for n in of.split(",")],
    help="Metric to compute; repeat it, or separate names by commas [those of the spec].",
)  # fmt: skip
@click.option("--seed", type=SEED, metavar="N", help="Seed of the baselines [the spec's].")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the numbers to a new JSON file, too.",
)  # fmt: skip
@DEVICE
@THREADS
@MEMORY
@ALLOW_CODE
@JSON
@report_errors
def evaluate(
    run_dir: Path,
    folder: Path | None,
    names: Sequence[str],
    seed: int | None,
    out: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Measure networks beside the zoo and the baselines of RUN.

    Without options it repeats the evaluation of the run. The run folder is not changed.
    """
    from wflow_core.cli.console import console
    from wflow_core.storage.files import to_json
    from wflow_plugins.commands.export import read_networks
    from wflow_plugins.commands.load_flow import load_flow
    from wflow_plugins.commands.new_files import check_new, write_new
    from wflow_plugins.evaluation.table import results_table
    from wflow_plugins.stages.trained_flow import named_metrics

    if out:
        check_new(out)
    flow = load_flow(run_dir, **how)
    c = flow.sampled
    networks = read_networks(folder, c.architecture.template, how["memory"]) if folder else None
    metrics = [m for name in names for m in named_metrics(c, name)] if names else c.metrics
    numbers = flow.evaluate(networks, metrics, seed)
    if out:
        write_new(out, to_json(numbers))
    if as_json:
        click.echo(json.dumps(numbers, indent=2))
    else:
        console().print(results_table(metrics, numbers))
