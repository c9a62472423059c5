"""The command ``wflow sample``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from wflow_core.cli.commands import report_errors
from wflow_core.cli.options import ALLOW_CODE, DEVICE, RUN, THREADS
from wflow_plugins.commands.options import CONDITION, SEED
from wflow_plugins.streaming.options import MEMORY


@click.command()
@RUN
@click.option(
    "--networks", type=click.IntRange(1), default=16, show_default=True, metavar="N",
    help="Number of networks to sample.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
    help="New folder for the networks.",
)  # fmt: skip
@click.option(
    "--seed", type=SEED, default=0, show_default=True, metavar="N",
    help="Seed of the samples, which differ from the run's own for every seed.",
)  # fmt: skip
@CONDITION
@click.option(
    "--guidance-scale", type=click.FloatRange(0), metavar="X",
    help="Weight of the condition; 0 ignores it [the spec's].",
)  # fmt: skip
@click.option(
    "--separate", is_flag=True,
    help="One file per network, a state dict that load_state_dict takes.",
)  # fmt: skip
@DEVICE
@THREADS
@MEMORY
@ALLOW_CODE
@report_errors
def sample(
    run_dir: Path,
    networks: int,
    out: Path,
    seed: int,
    condition: Mapping[str, float | str] | None,
    guidance_scale: float | None,
    separate: bool,
    **how: Any,
) -> None:
    """Sample new networks from the trained flow of RUN.

    FOLDER gets weights.safetensors, in which each tensor holds all networks along its first axis,
    and manifest.json, which names every tensor and its shape.
    """
    from wflow_plugins.commands.export import write_networks
    from wflow_plugins.commands.load_flow import load_flow
    from wflow_plugins.commands.new_files import check_new

    flow = load_flow(run_dir, **how)
    check_new(out)
    drawn = flow.sample(networks, seed, condition=condition, guidance_scale=guidance_scale)
    write_networks(drawn, out, separate)
    click.echo(f"{out}: {networks} networks")
