"""Options that several commands of this package share."""

from __future__ import annotations

from collections.abc import Sequence

import click

from wflow_core.cli.options import MAX_SEED

SEED = click.IntRange(0, MAX_SEED)
"""Values of ``--seed``."""


def _parse_condition(
    context: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> dict[str, float | str] | None:
    """Values by name, numbers where they read as such; None where none is given."""
    condition: dict[str, float | str] = {}
    for assignment in given:
        name, equals, value = assignment.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"expected NAME=VALUE, got {assignment!r}")
        try:
            condition[name] = float(value)
        except ValueError:
            condition[name] = value
    return condition or None


CONDITION = click.option(
    "--condition", multiple=True, metavar="NAME=VALUE", callback=_parse_condition,
    help="Condition the samples on this value of a covariate; repeat it for several [the spec's].",
)  # fmt: skip
