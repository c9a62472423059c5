"""Lazily loaded commands, and one clear message for an error."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, NoReturn

import click

from wflow_core import registry
from wflow_core.errors import PluginError, WflowError
from wflow_core.pipeline.error_origin import find_origin

# What torch says of it, on the CPU and on CUDA.
NO_MEMORY = re.compile("can't allocate memory|out of memory", re.IGNORECASE)
USER_ERROR = 2
"""Exit code of an error that the user can fix."""
TRACEBACK = "WFLOW_TRACEBACK"
"""Environment variable that shows errors of third-party packages with their traceback."""


# A file without a name that cannot take more is what the output goes to.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
OUTPUT = (*FULL, errno.EPIPE)


class LazyCommands(click.Group):
    """Adds the commands of the entry-point group ``wflow.commands``."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click does it, but for an output that cannot be written: a message, no traceback."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in FULL or error.filename is not None:
                raise
            with suppress(OSError):
                click.echo(f"wflow: the output cannot be written: {error.strerror}", err=True)
            _detach_stream(sys.stdout)
            _detach_stream(sys.stderr)
            sys.exit(USER_ERROR)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *registry.commands()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        if own or name not in (offered := registry.commands()):
            return own
        try:
            command: click.Command = registry.load_command(offered[name])
        except PluginError as error:
            return _broken_command(name, offered[name].origin, str(error))
        return command


def _broken_command(name: str, origin: str, problem: str) -> click.Command:
    """In place of a command that cannot be loaded: listed in the help, an error when called."""

    @click.command(name, short_help=f"(broken, from {origin})", add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def broken(arguments: tuple[str, ...]) -> None:
        raise click.UsageError(problem)

    broken.context_settings = {"ignore_unknown_options": True}
    return broken


def _detach_stream(stream: Any) -> None:
    """Discard what a stream still buffers, which the interpreter would write at exit."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def report_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """One message and exit code 2 for an error that the user can fix; 130 for an interrupt."""

    @wraps(command)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except WflowError as error:
            message = "\n".join([str(error), *getattr(error, "__notes__", [])])
            click.echo(f"wflow: {message}" if "\n" not in message else message, err=True)
            sys.exit(USER_ERROR)
        except KeyboardInterrupt:
            click.echo("wflow: interrupted; run the same command again to resume", err=True)
            sys.exit(130)
        except Exception as error:
            _report_unexpected(error)

    return call


def _report_unexpected(error: Exception) -> NoReturn:
    """An unexpected error: one line where a third-party plugin raised it, else a traceback."""
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))
    ):
        fix = "ask for fewer or smaller networks, or for a smaller batch_size"
        why = (str(error) or type(error).__name__).splitlines()[0]
        click.echo(f"wflow: there is not enough memory; {fix} ({why})", err=True)
        sys.exit(USER_ERROR)
    output = isinstance(error, OSError) and error.filename is None and error.errno in OUTPUT
    if output or isinstance(error, click.ClickException | click.Abort | click.exceptions.Exit):
        raise error
    origin = find_origin(error)
    if origin.third_party and not os.environ.get(TRACEBACK):
        fix = f"fix it, or take another; {TRACEBACK}=1 shows the traceback"
        click.echo(f"wflow: {origin.format(error)}; {fix}", err=True)
        sys.exit(USER_ERROR)
    error.add_note(f"wflow: {origin.format(error)}")
    raise error
