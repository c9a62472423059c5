"""Commands about the installation, and the one that writes a first spec."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from wflow_core import registry
from wflow_core.cli.commands import FIX, clear_errors
from wflow_core.cli.options import JSON
from wflow_core.errors import WflowError


@click.command()
@click.argument("kind", required=False)
@click.option("--check", is_flag=True, help="Import each, and compare it with its interface.")
@JSON
@clear_errors
def plugins(kind: str | None, check: bool, as_json: bool) -> None:
    """List what is installed, where it comes from, and what of it is broken.

    Sources are read, not imported: what only importing shows is found by --check, which ends with
    exit code 2 where something is broken.
    """
    from wflow_core.cli.inspection import problems

    kinds = [*registry.KINDS, "command"]
    if kind and kind not in kinds:
        guess = registry.suggest(kind, kinds)
        raise WflowError(f"unknown kind {kind!r}{guess}; kinds: {', '.join(kinds)}")
    listed = (p for each in ([kind] if kind else kinds) for p in registry.plugins(each))
    found = problems(listed, check)
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
        sys.exit(FIX)


@click.command()
@JSON
@clear_errors
def doctor(as_json: bool) -> None:
    """Tell what is here and what to mend: versions, devices, plugins, data."""
    from wflow_plugins.commands.doctor import examine
    from wflow_plugins.commands.doctor_table import print_findings

    found = examine()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        print_findings(found)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="spec.yaml")
@click.option("--task", metavar="NAME", help="What networks are trained for [breast_cancer].")
@click.option("--hidden", metavar="16,16", help="Widths of their hidden layers.")
@click.option(
    "--flow", type=click.Choice(["trajectory", "geometric"]),
    help="From initialisations along training [default], or on spheres after aligning.",
)  # fmt: skip
@click.option(
    "--size", type=click.Choice(["small", "medium", "large"]),
    help="About a minute [default], ten, or an hour.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask nothing; take defaults for what is not given.")
@clear_errors
def init(file: Path, yes: bool, **given: str | None) -> None:
    """Write a spec that runs to FILE [spec.yaml], from a few answers."""
    from wflow_core.cli import starter

    starter.refuse_existing(file)
    questions = starter.questions()
    answers = {name: _answer(name, given[name], *of, yes) for name, of in questions.items()}
    written = starter.write(file, starter.Answers(**answers))
    click.echo(f"{file}: {written}\nnow: wflow run {file}")


def _answer(name: str, given: str | None, text: str, choices: list[str], yes: bool) -> Any:
    """What is given, else what is answered; the first choice is the default."""
    if given is not None or yes:
        return choices[0] if given is None else given
    several = len(choices) > 1
    try:
        return click.prompt(
            text, default=choices[0], type=click.Choice(choices) if several else str,
            show_choices=several, err=True,
        )  # fmt: skip
    except click.Abort as error:
        raise WflowError(f"no answer to --{name}; --yes takes the defaults") from error
