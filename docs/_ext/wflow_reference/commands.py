"""The commands of the command line, from click."""

from __future__ import annotations

from typing import Any

import click

from wflow_core import registry
from wflow_core.cli.main import main
from wflow_reference.components import DISTRIBUTION
from wflow_reference.options import table


def commands() -> str:
    """A section a command; those of other distributions are left out."""
    return "\n\n".join(_command(name, command) for name, command in documented().items())


def documented() -> dict[str, click.Command]:
    """Commands of the core and of the built-in plugins, by name."""
    context = click.Context(main)
    ours = [name for name, p in registry.commands().items() if p.distribution == DISTRIBUTION]
    return main.commands | {name: main.get_command(context, name) for name in sorted(ours)}


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"wflow {name}")
    usage = " ".join([f"wflow {name}", *command.collect_usage_pieces(context)])
    options = (p for p in command.get_params(context) if isinstance(p, click.Option))
    shown = [option for option in options if option.name != "help"]
    rows = [_option(option, context) for option in shown]
    text = [f"## `wflow {name}`", f"```text\n{usage}\n```", _help(command)]
    return "\n\n".join([*text, table(["option", "default", "meaning"], rows) if rows else ""])


def _option(option: click.Option, context: click.Context) -> list[str]:
    value = "" if option.is_flag else f" {option.make_metavar(context)}".replace(" RANGE", "")
    names = ", ".join(f"`{name}{value}`" for name in option.opts)
    least = getattr(option.type, "min", None)
    bound = "" if least is None else f"At least {least}."
    return [names, _default(option), " ".join(filter(None, [option.help, bound]))]


def _default(option: Any) -> str:
    if option.required:
        return "required"
    return f"`{option.default}`" if option.show_default and not option.is_flag else ""


def _help(command: click.Command) -> str:
    return "\n\n".join(" ".join(p.split()) for p in (command.help or "").split("\n\n"))
