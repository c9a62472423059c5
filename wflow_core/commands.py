"""What commands share: lazy loading, and one clear message for an error."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from wflow_core.errors import WflowError

# What torch says of it, on the CPU and on CUDA.
NO_MEMORY = re.compile("can't allocate memory|out of memory", re.IGNORECASE)
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
        plugin = self._offered()[name]
        try:
            command = plugin.load()
        except Exception as error:
            raise _broken(plugin, f"fails to import: {type(error).__name__}: {error}") from error
        if not isinstance(command, click.Command):
            raise _broken(plugin, f"is {command!r}, not a click command")
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
    def _offered() -> dict[str, EntryPoint]:
        return {e.name: e for e in entry_points(group="wflow.commands")}


def _broken(plugin: EntryPoint, why: str) -> click.ClickException:
    origin = f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else "a plugin"
    return click.UsageError(f"command {plugin.name!r} of {origin} ({plugin.value}) {why}")


def clear_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """One clear message and exit code 2 for what the user can mend; 130 for an interrupt."""

    @wraps(command)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except WflowError as error:
            told = "\n".join([str(error), *getattr(error, "__notes__", [])])
            click.echo(f"wflow: {told}" if "\n" not in told else told, err=True)
            sys.exit(FIX)
        except KeyboardInterrupt:
            click.echo("wflow: interrupted; the same command goes on from here", err=True)
            sys.exit(130)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not NO_MEMORY.search(str(error)):
                raise
            fix = "ask for fewer or smaller networks, or for a smaller batch_size"
            why = (str(error) or type(error).__name__).splitlines()[0]
            click.echo(f"wflow: there is not enough memory; {fix} ({why})", err=True)
            sys.exit(FIX)

    return call
