"""The command ``wflow plugins``."""

from __future__ import annotations

import json
import sys

import click

from wflow_core import registry
from wflow_core.cli.commands import USER_ERROR, report_errors
from wflow_core.cli.options import JSON
from wflow_core.errors import PluginError


@click.command()
@click.argument("kind", required=False, type=click.Choice([*registry.KINDS, "command"]))
@click.option("--check", is_flag=True, help="Import each, and compare it with its interface.")
@JSON
@report_errors
def plugins(kind: str | None, check: bool, as_json: bool) -> None:
    """List installed plugins with their distributions.

    Nothing is imported unless --check is given, which exits with code 2 where a plugin is broken.
    """
    kinds = [kind] if kind else [*registry.KINDS, "command"]
    listed = [p for each in kinds for p in registry.plugins(each)]
    found = {p: _problem(p, listed, check) for p in listed}
    if as_json:
        rows = [{"kind": p.kind, "name": p.name, "distribution": p.distribution,
                 "version": p.version, "problem": why} for p, why in found.items()]  # fmt: skip
        click.echo(json.dumps(rows, indent=2))
    else:
        width = max((len(p.name) for p in found), default=0)
        for p, why in found.items():
            broken = f"  broken: {why}" if why else ""
            click.echo(f"{p.kind:<14} {p.name:<{width}} {p.origin}{broken}")
    broken_ones = [p.label for p, why in found.items() if why]
    if check and broken_ones:
        click.echo(f"wflow: broken: {'; '.join(broken_ones)}", err=True)
        sys.exit(USER_ERROR)


def _problem(plugin: registry.Plugin, others: list[registry.Plugin], check: bool) -> str | None:
    same = [p for p in others if (p.kind, p.name) == (plugin.kind, plugin.name)]
    if len(same) > 1:
        return registry.duplicate_message(same)
    return import_problem(plugin) if check else None


def import_problem(plugin: registry.Plugin) -> str | None:
    """The problem that importing a plugin shows; None where it is sound."""
    try:
        if plugin.kind == "command":
            registry.load_command(plugin)
            return None
        registry.load_plugin(plugin)
    except PluginError as error:
        return str(error).removeprefix(f"{plugin.label} ")
    return None
