"""The command line. Neither ``--help`` nor ``plugins`` imports torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wflow_core.cli.check import check, schema
from wflow_core.cli.commands import LazyCommands, clear_errors
from wflow_core.cli.options import (
    ALLOW_CODE,
    CONDITION,
    DEVICE,
    JSON,
    MEMORY,
    MOST,
    RUN,
    SET,
    SPEC,
    THREADS,
    condition,
    device as _device,
)
from wflow_core.cli.setup import doctor, init, plugins
from wflow_plugins.sweep.command import sweep

if TYPE_CHECKING:
    from wflow_core.assembly.assembly import Assembly
    from wflow_plugins.streaming.memory import Memory


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weightspace-flow", prog_name="wflow")
def main() -> None:
    """Generative models of neural-network weights: flow matching over trained networks.

    Write a spec, `wflow run spec.yaml`, and find networks, a model that makes more of them, and
    their measures in the run folder.
    """


@main.command()
@SPEC
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [runs/NAME-SEED].")
@click.option("--seed", type=click.IntRange(0, MOST), help="Seed, in place of the spec's.")
@SET
@DEVICE
@THREADS
@MEMORY
@click.option("--overwrite", is_flag=True, help="Replace what differs in a used folder.")
@ALLOW_CODE
@JSON
@clear_errors
def run(
    spec: Path,
    out: Path | None,
    seed: int | None,
    overrides: tuple[str, ...],
    device: str,
    threads: int | None,
    memory: Memory | None,
    overwrite: bool,
    allow_code: bool,
    as_json: bool,
) -> None:
    """Run SPEC: train a zoo, learn its flow, sample new networks, measure them.

    A run that was stopped goes on where it was when the same command is given again.
    """
    assembled = _assemble(spec, _with_seed(overrides, seed), allow_code)
    where = _device(device, threads)
    folder = out or Path("runs") / f"{assembled.spec.name}-{assembled.spec.seed}"
    from wflow_core.pipeline.driver import run as run_road
    from wflow_plugins.evaluation.table import print_table

    metrics = run_road(assembled, folder, where, overwrite, memory=memory)
    if as_json:
        click.echo(json.dumps(metrics, indent=2))
    else:
        print_table(metrics)
        made = sorted(p.name for p in folder.glob("*.html"))
        click.echo(f"\n{folder}: {', '.join(['samples/', 'metrics.json', *made])}")


@main.command()
@RUN
@click.option("--networks", type=click.IntRange(1), default=16, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--seed", type=click.IntRange(0, MOST), default=0, show_default=True)
@CONDITION
@click.option(
    "--guidance-scale", type=click.FloatRange(0), help="Weight of the condition [the spec's]."
)
@click.option("--separate", is_flag=True, help="One state dict a file, ready to load.")
@DEVICE
@THREADS
@MEMORY
@ALLOW_CODE
@clear_errors
def sample(
    run_dir: Path,
    networks: int,
    out: Path,
    seed: int,
    memory: Memory | None,
    conditions: tuple[str, ...],
    guidance_scale: float | None,
    separate: bool,
    device: str,
    threads: int | None,
    allow_code: bool,
) -> None:
    """Draw more networks from the flow of a finished RUN."""
    from wflow_plugins.commands.export import write_networks
    from wflow_plugins.stages.trained_flow import load

    flow = load(run_dir, _device(device, threads), allow_code, memory)
    drawn = flow.sample(
        networks, seed, condition=condition(conditions), guidance_scale=guidance_scale
    )
    write_networks(drawn, out, separate)
    click.echo(f"{out}: {networks} networks")


@main.command()
@RUN
@click.option(
    "--networks", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Networks made by `wflow sample` [those of the run].",
)  # fmt: skip
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME",
    help="What to measure; again, or a,b, for several [the spec's].",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, MOST), help="Seed of the nulls [the spec's].")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write, too.")
@DEVICE
@THREADS
@MEMORY
@ALLOW_CODE
@JSON
@clear_errors
def evaluate(
    run_dir: Path,
    networks: Path | None,
    metrics: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    device: str,
    threads: int | None,
    memory: Memory | None,
    allow_code: bool,
    as_json: bool,
) -> None:
    """Measure networks again, beside the zoo of a finished RUN and the nulls.

    Without further options it repeats what the run found. The run folder stays as it is.
    """
    where = _device(device, threads)
    from wflow_plugins.commands.export import read_networks, refuse_existing, write_numbers
    from wflow_plugins.evaluation.table import print_table
    from wflow_plugins.stages.trained_flow import load

    if out:
        refuse_existing(out)
    flow = load(run_dir, where, allow_code, memory)
    module = flow.sampled.assembly.architecture.template
    measured = read_networks(networks, module, memory) if networks else None
    names = [name.strip() for of in metrics for name in of.split(",")]
    numbers = flow.evaluate(measured, names or None, seed).numbers
    if out:
        write_numbers(numbers, out)
    if as_json:
        click.echo(json.dumps(numbers, indent=2))
    else:
        print_table(numbers)


for command in (check, schema, plugins, doctor, init, sweep):
    main.add_command(command)


def _assemble(spec: Path, overrides: Sequence[str], allow_code: bool) -> Assembly:
    from wflow_core.assembly.assemble import assemble
    from wflow_core.specs.spec import load_spec

    return assemble(load_spec(spec, overrides, allow_code))


def _with_seed(overrides: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    return overrides if seed is None else (*overrides, f"seed={seed}")
