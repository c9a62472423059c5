"""Options of ``wflow run`` that plugins bring, such as a memory budget.

Each entry point of the group ``wflow.run_options`` is a :class:`RunOption`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from wflow_core import registry
from wflow_core.errors import PluginError

if TYPE_CHECKING:
    import torch

    from wflow_core.interfaces.components import Components


@dataclass(frozen=True)
class RunOption:
    """An option, and what it means for a run.

    Attributes:
        option: a ``click.option``.
        parameter: the name of its value.
        arguments: ``(value, components, device) ->`` arguments of
            ``wflow_core.pipeline.driver.run``; not called where the value is None.
    """

    option: Callable[..., Any]
    parameter: str
    arguments: Callable[[Any, Components, torch.device], Mapping[str, Any]]


class RunCommand(click.Command):
    """A command with the options of all plugins, imported when it is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        added = click.Command(None)
        try:
            for option in _options():
                option.option(added)
        except PluginError as error:
            raise click.UsageError(str(error)) from error
        *own, help_option = super().get_params(ctx)
        return [*own, *added.params, help_option]


def run_arguments(
    values: Mapping[str, Any], components: Components, device: torch.device
) -> dict[str, Any]:
    """Arguments of a run from the values of the options."""
    arguments: dict[str, Any] = {}
    for option in _options():
        if (value := values.get(option.parameter)) is not None:
            arguments |= option.arguments(value, components, device)
    return arguments


def _options() -> list[RunOption]:
    return [registry.import_plugin(plugin) for plugin in registry.plugins("run option")]
