"""What commands share: lazy loading, and one clear message for an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import entry_points
from typing import Any

import click

from wflow_core.errors import WflowError

FIX = 2
"""Exit code of anything that the user can mend."""


class LazyCommands(click.Group):
    """Adds the commands of the entry-point group ``wflow.commands``, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._offered()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        if own or name not in self._offered():
            return own
        try:
            command: click.Command = self._offered()[name].load()
        except Exception as error:
            value = self._offered()[name].value
            raise click.ClickException(
                f"command {name!r} fails to import from {value!r}: {error}"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own commands with their help; others by name alone, so that help imports nothing."""
        rows = []
        for name in self.list_commands(ctx):
            own = super().get_command(ctx, name)
            rows.append((name, own.get_short_help_str(80) if own else "(from a plugin)"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    @staticmethod
    def _offered() -> dict[str, Any]:
        return {e.name: e for e in entry_points(group="wflow.commands")}


def clear_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """One clear message and exit code 2 for what the user can mend; 130 for an interrupt."""

    @wraps(command)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except WflowError as error:
            click.echo(f"wflow: {error}" if "\n" not in str(error) else str(error), err=True)
            sys.exit(FIX)
        except KeyboardInterrupt:
            click.echo("wflow: interrupted; the same command goes on from here", err=True)
            sys.exit(130)

    return call
