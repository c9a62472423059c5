"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

MAX_SEED = 2**63 - 1
"""The largest seed."""

SPEC = click.argument("spec", type=click.Path(path_type=Path))
RUN = click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
SET = click.option(
    "--set", "overrides", multiple=True, metavar="A.B=1", help="Override a value of the spec."
)
DEVICE = click.option(
    "--device", default="auto", show_default=True, metavar="NAME",
    help="cpu, cuda, cuda:1, ..., or auto: cuda where available.",
)  # fmt: skip
THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), help="CPU threads [torch's default]."
)
ALLOW_CODE = click.option(
    "--allow-code", is_flag=True,
    help="Import the code that the spec names, which may do anything.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
