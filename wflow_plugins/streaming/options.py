"""The option ``--memory`` of commands. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wflow_core.errors import WflowError

if TYPE_CHECKING:
    from wflow_plugins.streaming.memory import MemoryBudget


def _parse(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> MemoryBudget | None:
    """The budget of ``--memory``; imports torch where one is given."""
    if text is None:
        return None
    from wflow_plugins.streaming.memory import MemoryBudget

    try:
        return MemoryBudget.parse(text)
    except WflowError as error:
        raise click.BadParameter(str(error)) from error


MEMORY = click.option(
    "--memory", "memory", metavar="SIZE", callback=_parse,
    help="Memory budget for weights; larger sets stream from disk [unlimited].",
)  # fmt: skip
