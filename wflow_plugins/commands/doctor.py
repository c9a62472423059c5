"""The command ``wflow doctor``."""

from __future__ import annotations

import json

import click

from wflow_core.cli.commands import report_errors
from wflow_core.cli.options import JSON


@click.command()
@JSON
@report_errors
def doctor(as_json: bool) -> None:
    """Examine the installation, and say what to fix.

    Versions, devices, plugins and data. Every plugin is imported; data is located, not read.
    """
    from wflow_plugins.commands.doctor_table import print_findings
    from wflow_plugins.commands.examination import examine

    found = examine()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        print_findings(found)
