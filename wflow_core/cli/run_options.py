"""Options of ``wflow run`` that plugins bring, such as a memory budget.

Each entry point of the group ``wflow.run_options`` is a :class:`RunOption`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflow_core import registry

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


def with_run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of all plugins to a command."""
    for option in _options():
        command = option.option(command)
    return command


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
