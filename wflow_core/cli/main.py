"""The command line. Neither ``--help`` nor ``plugins`` imports torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflow_core.cli.check import check
from wflow_core.cli.commands import LazyCommands, report_errors
from wflow_core.cli.options import (
    ALLOW_CODE,
    DEVICE,
    JSON,
    MAX_SEED,
    SET,
    SPEC,
    THREADS,
)
from wflow_core.cli.plugins import plugins
from wflow_core.cli.run_options import RunCommand, run_arguments

if TYPE_CHECKING:
    from wflow_core.interfaces.components import Components


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weightspace-flow", prog_name="wflow")
def main() -> None:
    """Generative models of neural-network weights: flow matching over trained networks.

    Write a spec, `wflow run spec.yaml`, and find new networks, a model that samples more of them,
    and their measurements in the run folder.
    """


@main.command(cls=RunCommand)
@SPEC
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [runs/NAME-SEED].")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Seed, in place of the spec's.")
@SET
@DEVICE
@THREADS
@click.option("--overwrite", is_flag=True, help="Replace what differs in a used folder.")
@ALLOW_CODE
@JSON
@report_errors
def run(
    spec: Path,
    out: Path | None,
    seed: int | None,
    overrides: tuple[str, ...],
    device: str,
    threads: int | None,
    overwrite: bool,
    allow_code: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the stages of SPEC.

    By default: collect a zoo, canonicalize it, train its flow, sample networks, measure them.

    Run the same command again to resume an interrupted run.
    """
    components = _assemble(spec, _with_seed(overrides, seed), allow_code)
    from wflow_core.devices import resolve_device
    from wflow_core.pipeline.driver import run as run_pipeline

    where = resolve_device(device, threads)
    folder = out or Path("runs") / f"{components.name}-{components.seed}"
    arguments = run_arguments(options, components, where)
    metrics = run_pipeline(components, folder, where, overwrite, **arguments)
    if as_json:
        click.echo(json.dumps(metrics, indent=2))
        return
    _print_summaries(components, metrics)
    files = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    click.echo(f"\n{folder}: {', '.join(files)}")


for command in (check, plugins):
    main.add_command(command)


def _assemble(spec: Path, overrides: Sequence[str], allow_code: bool) -> Components:
    from wflow_core.assembly.assemble import assemble
    from wflow_core.specs.spec import load_spec

    return assemble(load_spec(spec, overrides, allow_code))


def _print_summaries(components: Components, metrics: dict[str, Any]) -> None:
    from wflow_core.cli.console import console

    for stage in components.stages.values():
        if (summary := stage.summary(components, metrics)) is not None:
            console().print(summary)


def _with_seed(overrides: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    return overrides if seed is None else (*overrides, f"seed={seed}")
