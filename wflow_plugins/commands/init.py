"""The command ``wflow init``."""

from __future__ import annotations

from pathlib import Path

import click

from wflow_core.cli.commands import report_errors
from wflow_core.errors import WflowError


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="spec.yaml")
@click.option("--task", metavar="NAME", help="Task of the networks [breast_cancer].")
@click.option("--hidden", metavar="16,16", help="Widths of their hidden layers [16,16].")
@click.option(
    "--flow", type=click.Choice(["trajectory", "geometric"]),
    help="trajectory: from initializations to trained networks; geometric: on spheres, after "
    "matching the units of the networks [trajectory].",
)  # fmt: skip
@click.option(
    "--size", type=click.Choice(["small", "medium", "large"]),
    help="Size of the run: about a minute, ten minutes or an hour [small].",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask no questions: take the defaults.")
@report_errors
def init(file: Path, yes: bool, **given: str | None) -> None:
    """Write a spec from the answers to a few questions.

    It is written to FILE [spec.yaml], checked, and ready for `wflow run`. An option answers its
    question.
    """
    from wflow_plugins.commands.init_spec import Answers, questions, write_spec
    from wflow_plugins.commands.new_files import check_new

    check_new(file, parameter="FILE")
    answers = {
        name: _answer(name, given[name], text, choices, yes)
        for name, (text, choices) in questions().items()
    }
    message = write_spec(file, Answers(**answers))
    click.echo(f"{file}: {message}\nnow: wflow run {file}")


def _answer(name: str, given: str | None, text: str, choices: list[str], yes: bool) -> str:
    """The option where it is given, else the answer typed; the first choice is the default."""
    if given is not None:
        return given
    if yes:
        return choices[0]
    several = len(choices) > 1
    try:
        answer: str = click.prompt(
            text, default=choices[0], type=click.Choice(choices) if several else str,
            show_choices=several, err=True,
        )  # fmt: skip
    except click.Abort as error:
        raise WflowError(f"no answer to --{name}; add --yes to take the defaults") from error
    return answer
