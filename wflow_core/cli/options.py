"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wflow_core.errors import WflowError

if TYPE_CHECKING:
    from wflow_plugins.streaming.memory import Memory

MOST = 2**63 - 1
"""The largest seed."""

SPEC = click.argument("spec", type=click.Path(path_type=Path))
RUN = click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
SET = click.option(
    "--set", "overrides", multiple=True, metavar="A.B=1", help="Override a value of the spec."
)
DEVICE = click.option(
    "--device", default="cpu", show_default=True, metavar="NAME",
    help="cpu, cuda, cuda:1, ..., or auto: cuda where there is one.",
)  # fmt: skip
THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), help="CPU threads [torch's default]."
)
ALLOW_CODE = click.option(
    "--allow-code", is_flag=True,
    help="Import the code that the spec names, which may do anything.",
)  # fmt: skip
CONDITION = click.option(
    "--condition", "conditions", multiple=True, metavar="NAME=VALUE",
    help="Value of a record that the flow is conditioned on; again for several [the spec's].",
)  # fmt: skip
MEMORY = click.option(
    "--memory", "memory", metavar="SIZE", callback=lambda ctx, param, text: _memory(text),
    help="What networks may take, such as 4GB; larger weight sets stay in files [all in memory].",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def condition(given: Sequence[str]) -> dict[str, float | str] | None:
    """What ``--condition`` asks for, numbers where they read as such; None where nothing does."""
    asked: dict[str, float | str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"wants NAME=VALUE, got {one!r}", param_hint="--condition")
        try:
            asked[name] = float(value)
        except ValueError:
            asked[name] = value
    return asked or None


def _memory(text: str | None) -> Memory | None:
    """The budget of ``--memory``; imports no torch."""
    from wflow_plugins.streaming.memory import Memory

    try:
        return None if text is None else Memory.of(text)
    except WflowError as error:
        raise click.BadParameter(str(error)) from error


def device(name: str, threads: int | None) -> Any:
    """The torch device of ``--device``; imports torch."""
    from wflow_core.devices import choose

    return choose(name, threads)
