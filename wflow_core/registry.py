"""The registries: one entry-point group a kind, read through importlib.metadata.

Nothing is imported before a spec names it; this module imports neither torch nor a plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from inspect import Parameter, signature
from typing import Any

from wflow_core.errors import PluginError

# Kind -> (entry-point group, interface that a plugin of the kind implements).
KINDS: dict[str, tuple[str, str]] = {
    "task": ("wflow.tasks", "wflow_core.interfaces.task:Task"),
    "architecture": ("wflow.architectures", "wflow_core.interfaces.architecture:Architecture"),
    "zoo": ("wflow.zoos", "wflow_core.interfaces.zoo:ZooSource"),
    "canonicalizer": ("wflow.canonicalizers", "wflow_core.interfaces.canonicalizer:Canonicalizer"),
    "codec": ("wflow.codecs", "wflow_core.interfaces.codec:Codec"),
    "manifold": ("wflow.manifolds", "wflow_core.interfaces.manifold:Manifold"),
    "prior": ("wflow.priors", "wflow_core.interfaces.prior:Prior"),
    "coupling": ("wflow.couplings", "wflow_core.interfaces.coupling:Coupling"),
    "velocity": ("wflow.velocities", "wflow_core.interfaces.velocity:Velocity"),
    "solver": ("wflow.solvers", "wflow_core.interfaces.solver:Solver"),
    "guidance": ("wflow.guidances", "wflow_core.interfaces.guidance:Guidance"),
    "metric": ("wflow.metrics", "wflow_core.interfaces.metric:Metric"),
    "hook": ("wflow.hooks", "wflow_core.hooks:Hook"),
}
COMMANDS = "wflow.commands"


@dataclass(frozen=True)
class Plugin:
    """An entry point, and who offers it."""

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name!r} of {self.origin}"


def plugins(kind: str | None = None) -> list[Plugin]:
    """Installed plugins, of one kind or of all, in the order of kinds and names."""
    kinds = [kind] if kind else list(KINDS)
    ours = [p for p in _all_plugins() if p.kind in kinds]
    return sorted(ours, key=lambda p: (kinds.index(p.kind), p.name, p.distribution))


def commands() -> dict[str, Plugin]:
    """Further commands by name; of two of one name, the first on the path."""
    return {p.name: p for p in reversed(_all_plugins()) if p.kind == "command"}


def _all_plugins() -> list[Plugin]:
    found: list[Plugin] = []
    seen: set[str] = set()
    for dist in distributions():
        offered = _offered(dist)
        normal = re.sub(r"[-_.]+", "-", offered[0].distribution).lower() if offered else ""
        # Of a distribution that lies on the path twice, the first is the one that imports.
        if offered and normal not in seen:
            seen.add(normal)
            found += offered
    return found


def _offered(dist: Distribution) -> list[Plugin]:
    """What a distribution offers; nothing where its metadata is damaged."""
    groups = {group: kind for kind, (group, _) in KINDS.items()} | {COMMANDS: "command"}
    try:
        ours = dict.fromkeys(e for e in dist.entry_points if e.group in groups)
        name = dist.metadata["Name"] if ours else ""
        return [Plugin(groups[e.group], e.name, name, dist.version, e) for e in ours]
    except Exception:  # whatever its parser meets: somebody else's package stops no run
        return []


def find(kind: str, name: str) -> Plugin:
    """The one plugin of that kind and name.

    Raises:
        PluginError: there is none (with what is installed and a guess), or more than one.
    """
    offered = plugins(kind)
    matches = [p for p in offered if p.name == name]
    if len(matches) > 1:
        raise PluginError(f"{kind} {name!r} {clash(matches)}")
    if not matches:
        names = [p.name for p in offered]
        raise PluginError(f"unknown {kind} {name!r}{suggest(name, names)}; {listing(kind, names)}")
    return matches[0]


def load(kind: str, name: str) -> type[Any]:
    """Import the class of a plugin.

    Raises:
        PluginError: it is unknown, fails to import, or does not implement the interface.
    """
    return load_plugin(find(kind, name))


def load_plugin(plugin: Plugin) -> type[Any]:
    """The same for a plugin that was found."""
    try:
        loaded = plugin.entry_point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{plugin.label} fails to import from {plugin.entry_point.value!r}: "
            f"{type(error).__name__}: {error}; mend or reinstall {plugin.distribution}"
        ) from error
    module, _, cls = KINDS[plugin.kind][1].partition(":")
    interface = getattr(import_module(module), cls)
    if not (isinstance(loaded, type) and issubclass(loaded, interface)):
        raise PluginError(f"{plugin.label} is {loaded!r}, not a subclass of {module}.{cls}")
    if lacks := sorted(getattr(loaded, "__abstractmethods__", ())):
        raise PluginError(f"{plugin.label} does not implement {', '.join(lacks)}")
    if unlike := _built_otherwise(loaded, interface):
        raise PluginError(f"{plugin.label} {unlike}")
    return loaded


def _built_otherwise(cls: type[Any], interface: type[Any]) -> str | None:
    """Why a class cannot be built as its interface is; None where it can."""
    context = [
        name
        for name, of in signature(interface).parameters.items()
        if of.kind is Parameter.POSITIONAL_OR_KEYWORD
    ]
    options = getattr(cls.Config, "model_fields", {})
    if taken := sorted({*context} & {*options}):
        return f"has an option {taken[0]!r}, the name of what it is built from; rename it"
    try:
        signature(cls).bind(*context, **dict.fromkeys(options))
    except TypeError as error:
        wanted = ", ".join(["self", *context, "**options"])
        return f"has an __init__{signature(cls)} that cannot be called as ({wanted}): {error}"
    return None


def load_command(plugin: Plugin) -> Any:
    """Import a further command.

    Raises:
        PluginError: it fails to import, or is no click command.
    """
    import click

    where = f"{plugin.label} ({plugin.entry_point.value})"
    try:
        command = plugin.entry_point.load()
    except (Exception, SystemExit) as error:
        why = f"fails to import: {type(error).__name__}: {error}"
        raise PluginError(f"{where} {why}; mend or reinstall {plugin.distribution}") from error
    if not isinstance(command, click.Command):
        raise PluginError(f"{where} is {command!r}, not a click command")
    return command


def clash(matches: Iterable[Plugin]) -> str:
    """Several plugins of one kind and name, in words."""
    return f"is offered by {' and by '.join(p.origin for p in matches)}; uninstall one of them"


def suggest(name: str, names: Iterable[str]) -> str:
    """`` (did you mean ...?)`` for a name close to one that there is, else nothing."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listing(kind: str, names: list[str]) -> str:
    """What is installed of a kind, for error messages."""
    return f"installed: {', '.join(names)}" if names else f"no {kind} is installed"
