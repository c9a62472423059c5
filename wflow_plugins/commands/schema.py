"""The command ``wflow schema``."""

from __future__ import annotations

import json

import click

from wflow_core.cli.commands import report_errors


@click.command()
@report_errors
def schema() -> None:
    """Print the JSON schema of specs, for editors.

    It has the options of every installed component.
    """
    from wflow_plugins.commands.spec_schema import spec_schema

    click.echo(json.dumps(spec_schema(), indent=2))
